-- auth.session: one login on one device. Its refresh tokens are its family, and its id is theirs.
--
-- A session ends in one of three ways: somebody ends it (ended_at, and 0025 tells everybody), it stands
-- still for as long as a refresh token lives, or it reaches expires_at, which nothing puts off.
--
-- Locks are taken in one order, so that no two requests ever wait for each other: the user, then
-- sessions by id, then refresh tokens. The lock of a session is the lock of its whole family.
--
-- Grants: nothing, to nobody; row level security with no policy, should someone grant by mistake.
-- Attacker: who reads the table learns who is signed in from where; who writes it can end sessions and
-- put off their end, and cannot make a token.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (24, '0024_sessions');

set local role auth_owner;

create table auth.session (
  id uuid
    constraint session_id_pkey primary key,
  username text not null
    constraint session_username_fkey references auth.user (username)
    on update cascade on delete cascade,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  address text,
  user_agent text,
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_reason text,
  constraint session_ended_at_check check ((ended_at is null) = (ended_reason is null))
);

create index session_username_idx on auth.session (username);
create index session_last_seen_at_idx on auth.session (last_seen_at);

alter table auth.session enable row level security;

create function auth_private.session_life() returns interval
  language sql immutable
  return interval '2160 hours';

create function auth_private.open_session(username text, out session uuid, out expires_at timestamptz)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  session := gen_random_uuid();
  expires_at := v_now + auth_private.session_life();
  insert into auth.session (id, username, created_at, last_seen_at, address, user_agent, expires_at)
  values (
    session,
    open_session.username,
    v_now,
    v_now,
    auth_private.client_address(),
    auth_private.client_user_agent(),
    open_session.expires_at
  );
end
$$;

create function auth_private.session_is_live(session auth.session) returns boolean
  language sql stable
  return session.ended_at is null
    and session.expires_at > statement_timestamp()
    and exists (
      select
        from auth.refresh_token as t
       where t.family = session.id
         and t.replaced_at is null
         and t.expires_at > statement_timestamp()
    );

-- A handful at each login. Tokens go one by one when they expire (0013), and a session when it has none
-- left, so that nothing here waits for a token that someone holds
create function auth_private.prune_sessions() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from auth.session as s
   where s.id in (
     select past.id
       from auth.session as past
      where past.last_seen_at < now() - auth_private.refresh_token_life()
        and not exists (select from auth.refresh_token as t where t.family = past.id)
      order by past.last_seen_at
      limit 20
      for update skip locked
   );
end
$$;

comment on table auth.session is
  'One login on one device, kept until the last of its refresh tokens has expired.';
comment on column auth.session.id is
  'The family of its refresh tokens, and the claim `sid` of its access tokens.';
comment on column auth.session.username is
  'Whose session it is.';
comment on column auth.session.created_at is
  'When it began.';
comment on column auth.session.last_seen_at is
  'When it was last renewed, or else when it began.';
comment on column auth.session.address is
  'From where it was last renewed, as the gateway says; null: nobody said.';
comment on column auth.session.user_agent is
  'What the client last called itself, cut to 256 characters.';
comment on column auth.session.expires_at is
  'From when on it is over, however busy it is.';
comment on column auth.session.ended_at is
  'When it was ended; null: it was not. Set together with ended_reason to end it.';
comment on column auth.session.ended_reason is
  'Why it was ended; docs/sql.md lists the reasons.';
comment on index auth.session_username_idx is
  'To list and end the sessions of a user, and for the cascades.';
comment on index auth.session_last_seen_at_idx is
  'To prune.';
comment on function auth_private.session_life() is
  'How long a session may last at most, however busy it is.';
comment on function auth_private.open_session(text) is
  'Adds a session, which lives as soon as it has a refresh token.';
comment on function auth_private.session_is_live(auth.session) is
  'Whether the session was not ended and has not expired.';
comment on function auth_private.prune_sessions() is
  'Deletes a few sessions of which nothing is left.';

reset role;
