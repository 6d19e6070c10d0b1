-- Refresh tokens belong to sessions: issued with one, and rotated for as long as it is live.
--
-- Who rotates first locks the session, so that everything below sees a family that nobody else changes.
-- The rotation itself is one statement, a compare and swap on the database's time.
-- A tab that lost the race, and a phone that lost the answer, are given the same successor for a minute
-- after the first use. Nothing prolongs that, and no token of a session that was ended profits from it.
--
-- Families from before this file become sessions that last as long as if they began now: nobody is signed
-- out by a migration. What old functions call in the meantime goes on working.
--
-- Grants: nothing, to nobody.
-- Attacker: who uses a stolen token first is found out when the owner comes later than a minute after;
-- who uses it second signs both out.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (27, '0027_session_tokens');

set local role auth_owner;

lock table auth.refresh_token in access exclusive mode; -- or a login under way would have no session

delete from auth.refresh_token where expires_at <= clock_timestamp();

insert into auth.session (id, username, created_at, last_seen_at, expires_at)
select
  t.family,
  min(t.username),
  min(t.issued_at),
  max(t.issued_at),
  greatest(clock_timestamp() + auth_private.session_life(), max(t.expires_at))
  from auth.refresh_token as t
 group by t.family;

-- The session knows it
alter table auth.refresh_token drop column username;

alter table auth.refresh_token
  add constraint refresh_token_family_fkey
  foreign key (family) references auth.session (id) on delete cascade;

create or replace function auth_private.refresh_token_grace() returns interval
  language sql immutable
  return interval '60 seconds';

drop function auth_private.issue_refresh_token(text);
drop function auth_private.rotate_refresh_token(text);
drop function auth_private.follow_refresh_token(text);
drop function auth_private.swap_refresh_token(text);

create function auth_private.issue_refresh_token(
  username text,
  out session uuid,
  out token text,
  out expires_at timestamptz
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  select o.session, least(v_now + auth_private.refresh_token_life(), o.expires_at)
    into session, expires_at
    from auth_private.open_session(issue_refresh_token.username) as o;
  token := auth_private.base64url(auth_private.random_bytes(32));
  insert into auth.refresh_token (digest, family, salt, issued_at, expires_at)
  values (
    auth_private.token_digest(token),
    session,
    auth_private.random_bytes(32),
    v_now,
    issue_refresh_token.expires_at
  );
end
$$;

-- Compare and swap: of all who come with the same token, it lets one through
create function auth_private.swap_refresh_token(
  presented text,
  out token text,
  out expires_at timestamptz
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  with used as (
    update auth.refresh_token as t
       set replaced_at = clock_timestamp()
      from auth.session as s
     where t.digest = auth_private.token_digest(presented)
       and t.replaced_at is null
       and t.expires_at > clock_timestamp()
       and s.id = t.family
       and s.ended_at is null
       and s.expires_at > clock_timestamp()
    returning
      t.family,
      t.replaced_at,
      auth_private.token_successor(presented, t.salt) as successor,
      least(t.replaced_at + auth_private.refresh_token_life(), s.expires_at) as expires_at
  ), seen as (
    update auth.session as s
       set last_seen_at = used.replaced_at,
           address = coalesce(auth_private.client_address(), s.address),
           user_agent = coalesce(auth_private.client_user_agent(), s.user_agent)
      from used
     where s.id = used.family
  ), born as (
    insert into auth.refresh_token as b (digest, family, salt, issued_at, expires_at)
    select
      auth_private.token_digest(used.successor),
      used.family,
      auth_private.random_bytes(32),
      used.replaced_at,
      used.expires_at
      from used
    returning b.expires_at
  )
  select used.successor, born.expires_at
    into token, expires_at
    from used
   cross join born;
end
$$;

-- For who was not let through: from a token used a moment ago to the one of its family that is alive.
-- As a rule that is one step; it is more when another tab has gone on since, and to hand out the token
-- it has used would make the next refresh a replay
create function auth_private.follow_refresh_token(
  presented text,
  out token text,
  out expires_at timestamptz,
  out replayed boolean
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- Read once: the next tokens were used later, and must not be late when the first was not
  v_now constant timestamptz := clock_timestamp();
  v_token text := presented;
  v_row auth.refresh_token;
begin
  replayed := false;
  loop
    select t.* into v_row from auth.refresh_token as t where t.digest = auth_private.token_digest(v_token);
    if not found or v_row.expires_at <= v_now then
      return;
    end if;
    exit when v_row.replaced_at is null;
    if v_row.replaced_at <= v_now - auth_private.refresh_token_grace() then
      replayed := true;
      return;
    end if;
    v_token := auth_private.token_successor(v_token, v_row.salt);
  end loop;
  token := v_token;
  expires_at := v_row.expires_at;
end
$$;

create function auth_private.rotate_refresh_token(
  presented text,
  out session uuid,
  out username text,
  out token text,
  out expires_at timestamptz,
  out replayed boolean
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session;
begin
  replayed := false;
  select s.*
    into v_session
    from auth.session as s
   where s.id = (
     select t.family from auth.refresh_token as t where t.digest = auth_private.token_digest(presented)
   )
     for no key update;
  session := v_session.id;
  username := v_session.username;
  if session is null or v_session.ended_at is not null or v_session.expires_at <= clock_timestamp() then
    return;
  end if;

  select t.token, t.expires_at into token, expires_at from auth_private.swap_refresh_token(presented) as t;
  if token is null then
    select t.token, t.expires_at, t.replayed
      into token, expires_at, replayed
      from auth_private.follow_refresh_token(presented) as t;
  end if;
  if replayed then
    perform auth_private.end_session(session, 'refresh_replayed');
  end if;
end
$$;

-- What the functions of before call, until the next files replace them
create or replace function auth_private.revoke_families_of(username text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.end_sessions_of(username, 'session_ended');
end
$$;

create or replace function auth_private.revoke_family(family uuid) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.end_session(family, 'logout');
end
$$;

comment on column auth.refresh_token.family is
  'The session: all tokens descended from one login.';
comment on function auth_private.issue_refresh_token(text) is
  'Starts a session for the user and returns its first refresh token.';
comment on function auth_private.swap_refresh_token(text) is
  'Uses a token of a live session that was not used yet, and returns its successor; or null.';
comment on function auth_private.follow_refresh_token(text) is
  'The live token that a token used within the grace window has led to, or whether it is a replay.';
comment on function auth_private.rotate_refresh_token(text) is
  'Trades a token for its successor; whether the user may still have it, the caller asks. token is null '
  'if there is none; replayed: the session was ended, and the transaction must commit for that to last.';

reset role;
