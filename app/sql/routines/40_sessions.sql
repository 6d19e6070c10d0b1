-- auth.session: how a session begins, whether it is live, how many a user may have, and how it is pruned.
--
-- Locks are taken in one order, so that no two requests ever wait for each other: the user, then
-- sessions by id, then refresh tokens. The lock of a session is the lock of its whole family.
--
-- Grants: none.
-- Attacker: with a user's password, can push out the user's other sessions by signing in often; could end
-- them as well.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.open_session(
  username text,
  out session uuid,
  out expires_at timestamptz
)
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

create or replace function auth_private.session_is_live(session auth.session) returns boolean
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

-- The caller holds the user, so that two logins at once do not each count without the other
create or replace function auth_private.end_sessions_beyond_cap(username text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_cap constant integer := auth_private.sessions_per_user();
begin
  if (
    select count(*)
      from auth.session as s
     where s.username = end_sessions_beyond_cap.username and s.ended_at is null
  ) <= v_cap
  then
    return;
  end if;
  -- Held before their order is read: a refresh that is under way moves its session to the front
  perform
     from auth.session as s
    where s.username = end_sessions_beyond_cap.username and s.ended_at is null
    order by s.id
      for no key update;
  perform auth_private.end_listed_sessions(
    array(
      select s.id
        from auth.session as s
       where s.username = end_sessions_beyond_cap.username
         and s.ended_at is null
         and auth_private.session_is_live(s)
       order by s.last_seen_at desc, s.id
      offset v_cap
    ),
    'too_many_sessions'
  );
end
$$;

-- A handful at each login. Tokens go one by one when they expire, and a session when it has none left, so
-- that nothing here waits for a token that another request holds
create or replace function auth_private.prune_sessions() returns void
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

comment on function auth_private.open_session(text) is
  'Adds a session, which lives as soon as it has a refresh token.';
comment on function auth_private.session_is_live(auth.session) is
  'Whether the session was not ended and has not expired.';
comment on function auth_private.end_sessions_beyond_cap(text) is
  'Ends the sessions of a user beyond sessions_per_user(), those first that were not renewed for longest.';
comment on function auth_private.prune_sessions() is
  'Deletes a few sessions of which nothing is left.';

reset role;
