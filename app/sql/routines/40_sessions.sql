-- auth.session: how a session begins, whether it is live, how many a subject may have, and how it is pruned.
--
-- Locks are taken in one order, so that no two requests ever wait for each other: the subject, then
-- sessions by id, then refresh tokens. The lock of a session is the lock of its whole family.
--
-- Grants: none.
-- Attacker: with a user's password, can push out the user's other sessions by signing in often; could end
-- them as well.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

-- A user is locked by the row; a foreign subject has none, so a lock by its hash stands in for it
create or replace function auth_private.hold_subject(subject text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform from auth.user as u where u.id = auth_private.canonical_uuid(subject) for no key update;
  if not found then
    perform pg_advisory_xact_lock(hashtextextended('auth.session.subject ' || subject, 0));
  end if;
end
$$;

create or replace function auth_private.open_session(
  user_id uuid,
  subject text,
  role text,
  claims jsonb,
  amr text[]
) returns auth.session
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_id constant uuid := gen_random_uuid();
  v_session auth.session;
begin
  insert into auth.session as s (
    id, sid, user_id, subject, role, claims, amr, auth_time, created_at, last_seen_at, address, user_agent,
    expires_at
  )
  values (
    v_id,
    v_id,
    open_session.user_id,
    open_session.subject,
    open_session.role,
    open_session.claims,
    open_session.amr,
    v_now,
    v_now,
    v_now,
    auth_private.client_address(),
    auth_private.client_user_agent(),
    v_now + auth_private.session_life()
  )
  returning s.* into v_session;
  return v_session;
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

-- The caller holds the subject, so that two logins at once do not each count without the other
create or replace function auth_private.end_sessions_beyond_cap(subject text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_cap constant integer := auth_private.sessions_per_user();
begin
  if (
    select count(*)
      from auth.session as s
     where s.subject = end_sessions_beyond_cap.subject and s.ended_at is null
  ) <= v_cap
  then
    return;
  end if;
  -- Held before their order is read: a refresh in progress moves its session to the front
  perform
     from auth.session as s
    where s.subject = end_sessions_beyond_cap.subject and s.ended_at is null
    order by s.id
      for no key update;
  perform auth_private.end_listed_sessions(
    array(
      select s.id
        from auth.session as s
       where s.subject = end_sessions_beyond_cap.subject
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

comment on function auth_private.hold_subject(text) is
  'Locks a user, or another subject, until the transaction ends.';
comment on function auth_private.open_session(uuid, text, text, jsonb, text[]) is
  'Adds a session, which lives as soon as it has a refresh token: of a user, or of another subject with a '
  'role.';
comment on function auth_private.session_is_live(auth.session) is
  'Whether the session was not ended and has not expired.';
comment on function auth_private.end_sessions_beyond_cap(text) is
  'Ends the sessions of a subject beyond sessions_per_user(), first those that were not renewed for longest.';
comment on function auth_private.prune_sessions() is
  'Deletes a few sessions of which nothing is left.';

reset role;
