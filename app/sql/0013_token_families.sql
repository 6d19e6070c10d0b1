-- The life of a refresh token: issue, rotate, revoke, prune.
--
-- A browser with ten tabs, and a mobile client whose answer was lost, present the same token several
-- times without any theft. So, for a short while after its first use, a token is answered with the same
-- successor; it is not used twice, and buys no time: the window counts from the first use. Later it is a
-- replay: thief and owner cannot be told apart, so the whole family is revoked.
-- All times are the database's, read when they are needed: `now()` stands still while a statement waits.
--
-- Revoking deletes, so a token that was logged out is simply unknown and has no window to profit from.
-- The deletes repeat until they find nothing: a rotation that was under way is waited for, but the row
-- it inserted is seen by the next pass only.
--
-- Grants: nothing, to nobody.
-- Attacker: who steals a token and uses it first is found out when the owner comes; who uses it second
-- signs both out.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (13, '0013_token_families');

set local role auth_owner;

-- In hours: the length of a day depends on the time zone of the session, which a client may choose
create function auth_private.refresh_token_life() returns interval
  language sql immutable
  return interval '720 hours';

create function auth_private.refresh_token_grace() returns interval
  language sql immutable
  return interval '10 seconds';

create function auth_private.issue_refresh_token(
  username text,
  out token text,
  out expires_at timestamptz
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  token := auth_private.base64url(auth_private.random_bytes(32));
  expires_at := v_now + auth_private.refresh_token_life();
  insert into auth.refresh_token (digest, family, username, salt, issued_at, expires_at)
  values (
    auth_private.token_digest(token),
    gen_random_uuid(),
    issue_refresh_token.username,
    auth_private.random_bytes(32),
    v_now,
    issue_refresh_token.expires_at
  );
end
$$;

create function auth_private.revoke_family(family uuid) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  loop
    delete from auth.refresh_token as t where t.family = revoke_family.family;
    exit when not found;
  end loop;
end
$$;

create function auth_private.revoke_families_of(username text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  loop
    delete from auth.refresh_token as t where t.username = revoke_families_of.username;
    exit when not found;
  end loop;
end
$$;

create function auth_private.revoke_family_of_token(token text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_family uuid;
begin
  select t.family
    into v_family
    from auth.refresh_token as t
   where t.digest = auth_private.token_digest(revoke_family_of_token.token);
  if found then
    perform auth_private.revoke_family(v_family);
  end if;
end
$$;

-- Compare and swap: of all who come with the same token, the row lock lets one through
create function auth_private.swap_refresh_token(
  presented text,
  out username text,
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
     where t.digest = auth_private.token_digest(presented)
       and t.replaced_at is null
       and t.expires_at > clock_timestamp()
    returning
      t.family,
      t.username,
      t.replaced_at,
      auth_private.token_successor(presented, t.salt) as successor
  ), born as (
    insert into auth.refresh_token as s (digest, family, username, salt, issued_at, expires_at)
    select
      auth_private.token_digest(used.successor),
      used.family,
      used.username,
      auth_private.random_bytes(32),
      used.replaced_at,
      used.replaced_at + auth_private.refresh_token_life()
      from used
    returning s.username, s.expires_at
  )
  select born.username, used.successor, born.expires_at
    into username, token, expires_at
    from used
   cross join born;
end
$$;

-- For who was not let through: from a token used a moment ago to the one of its family that is alive.
-- As a rule that is one step; it is more when another tab has gone on since, and to hand out the token
-- it has used would make the next refresh a replay
create function auth_private.follow_refresh_token(
  presented text,
  out username text,
  out token text,
  out expires_at timestamptz,
  out replayed boolean
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_token text := presented;
  v_row auth.refresh_token;
begin
  replayed := false;
  loop
    select t.* into v_row from auth.refresh_token as t where t.digest = auth_private.token_digest(v_token);
    if not found or v_row.expires_at <= clock_timestamp() then
      return;
    end if;
    exit when v_row.replaced_at is null;
    if v_row.replaced_at <= clock_timestamp() - auth_private.refresh_token_grace() then
      perform auth_private.revoke_family(v_row.family);
      replayed := true;
      return;
    end if;
    v_token := auth_private.token_successor(v_token, v_row.salt);
  end loop;

  username := v_row.username;
  token := v_token;
  expires_at := v_row.expires_at;
end
$$;

create function auth_private.rotate_refresh_token(
  presented text,
  out username text,
  out token text,
  out expires_at timestamptz,
  out replayed boolean
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  replayed := false;
  select t.username, t.token, t.expires_at
    into username, token, expires_at
    from auth_private.swap_refresh_token(presented) as t;
  if token is null then
    select t.username, t.token, t.expires_at, t.replayed
      into username, token, expires_at, replayed
      from auth_private.follow_refresh_token(presented) as t;
  end if;
end
$$;

-- A handful at each login and refresh, so that the table needs no scheduler; skipping what others hold,
-- so that no request waits for another's housekeeping
create function auth_private.prune_refresh_tokens() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from auth.refresh_token as t
   where t.digest in (
     select expired.digest
       from auth.refresh_token as expired
      where expired.expires_at < now()
      order by expired.expires_at
      limit 20
      for update skip locked
   );
end
$$;

comment on function auth_private.refresh_token_life() is
  'How long a refresh token may stay unused. Each rotation starts anew.';
comment on function auth_private.refresh_token_grace() is
  'For how long after its first use a token is answered with the same successor.';
comment on function auth_private.issue_refresh_token(text) is
  'Starts a family for the user and returns its first token.';
comment on function auth_private.revoke_family(uuid) is
  'Ends one session.';
comment on function auth_private.revoke_families_of(text) is
  'Ends all sessions of a user.';
comment on function auth_private.revoke_family_of_token(text) is
  'Ends the session a token belongs to, used or not; nothing happens for an unknown one.';
comment on function auth_private.swap_refresh_token(text) is
  'Uses a token that was not used yet, and returns its successor; null if another was faster.';
comment on function auth_private.follow_refresh_token(text) is
  'The live token that a token used within the grace window has led to; or revokes the family.';
comment on function auth_private.rotate_refresh_token(text) is
  'Trades a token for its successor; whether the user may still have it, the caller asks. token is null '
  'if there is none; replayed: the family was revoked, and the transaction must commit for that to last.';
comment on function auth_private.prune_refresh_tokens() is
  'Deletes a few expired refresh tokens.';

reset role;
