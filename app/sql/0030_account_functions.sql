-- One's own sessions: what is signed in where, and the end of it.
--
-- Grants: execute to anon (the gateway always calls as anon) and to signed_in, for auth.sessions(),
-- auth.end_session(uuid), auth.logout_others() and auth.logout_all().
-- Attacker: who has a live session of a user sees the others and can end them; of another user's, not
-- even whether they exist.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (30, '0030_account_functions');

set local role auth_owner;

create function auth.sessions() returns table (
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
     where s.username = v_current.username
       and auth_private.session_is_live(s)
     order by s.last_seen_at desc, s.id;
end
$$;

create function auth.end_session(id uuid) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current auth.session;
begin
  perform auth_private.refuse_read_only();
  v_current := auth_private.hold_current_session();
  -- Both locks are held by now where the two are one; else the user's keeps everyone away who wants two
  if not exists (
      select from auth.session as s where s.id = end_session.id and s.username = v_current.username
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

create function auth.logout_others() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current auth.session;
begin
  perform auth_private.refuse_read_only();
  v_current := auth_private.hold_current_session();
  perform auth_private.end_sessions_of(v_current.username, 'logout_others', kept => v_current.id);
end
$$;

create function auth.logout_all() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_current auth.session;
begin
  perform auth_private.refuse_read_only();
  v_current := auth_private.hold_current_session();
  perform auth_private.end_sessions_of(v_current.username, 'logout_all');
  perform auth_private.clear_cookies();
end
$$;

grant execute
  on function auth.sessions(), auth.end_session(uuid), auth.logout_others(), auth.logout_all()
  to anon, signed_in;

comment on function auth.sessions() is
  'Where you are signed in: your live sessions, the latest first, or 401.';
comment on function auth.end_session(uuid) is
  'End one of your sessions, or answer 404; clears the cookies if it is this one.';
comment on function auth.logout_others() is
  'Sign out everywhere else: ends your other sessions.';
comment on function auth.logout_all() is
  'Sign out everywhere: ends all your sessions, this one included, and clears its cookies.';

reset role;
