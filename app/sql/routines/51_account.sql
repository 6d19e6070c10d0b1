-- The account of the caller: its sessions, their end, and a new password.
--
-- A user who changes a password because it leaked expects the thief to be out. So every other session ends,
-- and this one is replaced by a new one with new tokens in the response: a refresh or access token that was
-- copied before is dead. The new hash is made before any lock is taken, so that no request waits for it.
--
-- Grants: execute to anon (the gateway always calls as anon) and to signed_in.
-- Attacker: with a live session of a user, sees the others and can end them; of another user's, not even
-- whether they exist. May guess the old password, at the price of one bcrypt for each guess (limits are the
-- gateway's); it is asked for so that a session left open does not cost the account.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth.sessions() returns table (
  id uuid,
  created_at timestamptz,
  last_seen_at timestamptz,
  address text,
  user_agent text,
  expires_at timestamptz,
  is_current boolean
)
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
  v_current constant auth.session := auth_private.current_session();
begin
  return query
    select s.id, s.created_at, s.last_seen_at, s.address, s.user_agent, s.expires_at, s.id = v_current.id
      from auth.session as s
     where s.subject = v_current.subject
       and auth_private.session_is_live(s)
     order by s.last_seen_at desc, s.id;
end
$$;

create or replace function auth.end_session(id uuid) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current auth.session;
begin
  perform auth_private.refuse_read_only();
  v_current := auth_private.hold_current_session();
  -- Both locks are held by now where the two are one; else the user's keeps away what wants two
  if not exists (
      select from auth.session as s where s.id = end_session.id and s.subject = v_current.subject
    )
    or not auth_private.end_session(end_session.id, 'session_ended')
  then
    raise sqlstate 'PT404' using message = 'There is no such session';
  end if;
  if end_session.id = v_current.id then
    perform auth_private.clear_cookies();
  end if;
end
$$;

create or replace function auth.logout_others() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current auth.session;
begin
  perform auth_private.refuse_read_only();
  v_current := auth_private.hold_current_session();
  perform auth_private.end_sessions_of_subject(v_current.subject, 'logout_others', kept => v_current.id);
end
$$;

create or replace function auth.logout_all() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current auth.session;
begin
  perform auth_private.refuse_read_only();
  v_current := auth_private.hold_current_session();
  perform auth_private.end_sessions_of_subject(v_current.subject, 'logout_all');
  perform auth_private.clear_cookies();
end
$$;

create or replace function auth.change_password(old text, new text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session;
  v_checked text;
  v_stored auth.user;
  v_hash text;
begin
  perform auth_private.refuse_read_only();
  perform auth_private.jwt_key(); -- or the new session could not be signed for
  v_session := auth_private.current_session();
  select u.* into v_stored from auth.user as u where u.id = v_session.user_id;
  perform auth_private.refuse_unfit_password(
    change_password.new, array[v_stored.username, v_stored.email]
  );
  v_checked := v_stored.password;
  if not auth_private.password_matches(change_password.old, v_checked) then
    raise sqlstate 'PT401' using message = 'Invalid password';
  end if;
  v_hash := auth_private.password_hash(change_password.new);

  v_session := auth_private.hold_current_session();
  select u.* into v_stored from auth.user as u where u.id = v_session.user_id;
  -- changed since it was checked: by another request, or by a login that brought it to today's cost
  if v_stored.password <> v_checked
    and not auth_private.password_matches(change_password.old, v_stored.password)
  then
    raise sqlstate 'PT401' using message = 'Invalid password';
  end if;
  perform auth_private.set_own_password(v_session.user_id, v_hash);
  perform auth_private.record_session_event('password_changed', v_session);
  perform auth_private.void_codes_of(v_session.user_id);
  perform auth_private.queue_notice(v_stored, 'password_changed');
  perform auth_private.end_sessions_of_subject(v_session.subject, 'password_changed', kept => v_session.id);
  perform auth_private.end_session(v_session.id, 'signed_in_again');
  perform auth_private.start_session(v_session.user_id, array['pwd'], v_session.claims);
end
$$;

grant execute
  on function
    auth.sessions(), auth.end_session(uuid), auth.logout_others(), auth.logout_all(),
    auth.change_password(text, text)
  to anon, signed_in;

comment on function auth.sessions() is
  'Where you are signed in: your live sessions, the latest first, or 401.';
comment on function auth.end_session(uuid) is
  'End one of your sessions, or answer 404; clears the cookies if it is this one.';
comment on function auth.logout_others() is
  'Sign out everywhere else: ends your other sessions.';
comment on function auth.logout_all() is
  'Sign out everywhere: ends all your sessions, this one included, and clears its cookies.';
comment on function auth.change_password(text, text) is
  'Change your password: ends your other sessions, and replaces this one, in new cookies; 401 if the old '
  'password is wrong, 422 if the new one is unfit.';

reset role;
