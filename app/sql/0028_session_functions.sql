-- auth.login, auth.logout and auth.refresh_token, with sessions that are known by name.
--
-- A login ends the session whose refresh token it replaces; a logout the session of any refresh token of
-- it, used ones included, and that of the verified claim `sid`, for clients without cookies.
--
-- A refresh that is a replay ends the session and answers by response.status, as an error would undo that.
-- So does the late comer: a token of a session whose holder has signed out, or signed in anew, since. The
-- holder has thrown it away, so this is somebody else, or a request that was overtaken. It is recorded, once
-- for each session, and the cookies are left alone: they may be those of a later session.
--
-- Grants: as before, execute to anon and to signed_in.
-- Attacker: can end a session by holding a token of it; cannot fill the table of events with one token.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (28, '0028_session_functions');

set local role auth_owner;

create function auth_private.session_of_token(token text) returns uuid
  language sql stable
  return (
    select t.family
      from auth.refresh_token as t
     where t.digest = auth_private.token_digest(session_of_token.token)
  );

create function auth_private.claimed_session() returns uuid
  language sql stable
  return (
    select case
        -- Lower case alone: two spellings of one id would be two in a gateway's list
        when c.sid ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then c.sid::uuid
      end
      from (select auth_private.json_setting('request.jwt.claims') ->> 'sid' as sid) as c
  );

create or replace function auth_private.start_session(username text, role text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_first record;
begin
  select t.* into v_first from auth_private.issue_refresh_token(username) as t;
  perform auth_private.send_cookies(
    auth_private.mint_access_token(username, role, v_first.session, v_first.expires_at),
    v_first.token,
    v_first.expires_at
  );
  perform auth_private.record_event('sign_in', username, v_first.session);
  -- Sessions before their tokens, as everywhere
  perform auth_private.prune_sessions();
  perform auth_private.prune_refresh_tokens();
  perform auth_private.prune_ended_sessions();
  perform auth_private.prune_events();
end
$$;

create or replace function auth.login(user_ text, pass text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_checked auth.user;
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  perform auth_private.jwt_key(); -- a server that cannot sign says so to everyone alike

  select u.* into v_checked from auth.user as u where u.username = auth_private.username_form(user_);

  if not auth_private.password_matches(pass, v_checked.password) then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;

  select u.* into v_user from auth.user as u where u.username = v_checked.username for no key update;
  if v_user.username is null
    or v_user.disabled_at is not null
    or not auth_private.role_is_assignable(v_user.role)
    -- changed since it was checked: by a new password, or by another login that made it stronger
    or (
      v_user.password <> v_checked.password
      and not auth_private.password_matches(pass, v_user.password)
    )
  then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;

  if substr(v_user.password, 5, 2)::integer < auth_private.bcrypt_cost() then
    perform auth_private.strengthen_hash(v_user.username, pass);
  end if;
  -- The session whose cookie is about to be overwritten would live on with nobody to end it
  perform auth_private.end_session(
    auth_private.session_of_token(auth_private.presented_refresh_token()), 'signed_in_again'
  );
  perform auth_private.start_session(v_user.username, v_user.role);
end
$$;

create or replace function auth.logout() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.refuse_read_only();
  perform auth_private.end_listed_sessions(
    array(
      select own.id
        from (
          select auth_private.session_of_token(auth_private.presented_refresh_token()) as id
          union
          select auth_private.claimed_session()
        ) as own
       where own.id is not null
    ),
    'logout'
  );
  perform auth_private.clear_cookies();
end
$$;

create function auth_private.record_late_comer(session uuid) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session;
begin
  select s.*
    into v_session
    from auth.session as s
   where s.id = record_late_comer.session
     and s.ended_reason in ('logout', 'logout_all', 'signed_in_again');
  if not found then
    return false;
  end if;
  if not exists (
    select from auth.event as e where e.session = v_session.id and e.kind = 'refresh_replayed'
  ) then
    perform auth_private.record_event('refresh_replayed', v_session.username, v_session.id);
  end if;
  return true;
end
$$;

create or replace function auth.refresh_token() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_next record;
  v_role text;
begin
  perform auth_private.refuse_read_only();

  select t.*
    into v_next
    from auth_private.rotate_refresh_token(auth_private.presented_refresh_token()) as t;

  if v_next.replayed then
    perform set_config('response.status', '401', true);
    perform auth_private.clear_cookies();
    return;
  end if;
  if v_next.token is null and auth_private.record_late_comer(v_next.session) then
    perform set_config('response.status', '401', true);
    return;
  end if;

  select u.role
    into v_role
    from auth.user as u
   where u.username = v_next.username
     and v_next.token is not null
     and u.disabled_at is null
     and auth_private.role_is_assignable(u.role);
  if not found then
    raise sqlstate 'PT401' using message = 'Invalid or expired refresh token';
  end if;

  perform auth_private.send_cookies(
    auth_private.mint_access_token(v_next.username, v_role, v_next.session, v_next.expires_at),
    v_next.token,
    v_next.expires_at
  );
  perform auth_private.prune_refresh_tokens();
end
$$;

drop function auth_private.revoke_family_of_token(text);
drop function auth_private.revoke_family(uuid);

comment on function auth_private.session_of_token(text) is
  'The session that a refresh token belongs to, used or not; null for an unknown one.';
comment on function auth_private.claimed_session() is
  'The session that the verified claim `sid` names, or null.';
comment on function auth_private.record_late_comer(uuid) is
  'Whether the session was given up by its holder; that a token of it came after all is recorded once.';

reset role;
