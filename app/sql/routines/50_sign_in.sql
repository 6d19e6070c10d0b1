-- auth.login, auth.logout, auth.refresh_token: the three functions that every client calls.
--
-- Login. Unknown name, wrong password, disabled user, unfit password: the same words after the same work, so
-- neither response nor time tells who has an account. A name comes before an address that reads the same,
-- and only a verified address counts. It raises, as the known recipes do. The row that was
-- checked is locked and read again before the session begins: bcrypt takes long enough for the password to
-- be changed, or the user disabled, meanwhile. It ends the session whose refresh token it replaces.
--
-- Logout always succeeds: it ends the session of any refresh token it is given, used ones included, and that
-- of the claims, for clients without cookies.
--
-- Refresh. Role, name and state of the user are read again; a session without a user keeps what it was opened
-- with. Raising undoes everything, so a rejected refresh has used no token. Therefore a replay does not
-- raise: it sets response.status, a 401 without a body that clears the cookies: the end of the session
-- must be committed, or the thief's token would live on. A token of a session whose holder has signed out or
-- in again since gets the same response; it is recorded, once for each session, and the cookies are left
-- alone: they may be those of a later session.
--
-- Grants: execute to anon (the gateway always calls as anon) and to signed_in (straight through PostgREST,
-- a client that still sends its bearer token may log in again).
-- Attacker: may guess, at the price of one bcrypt for each guess (limits are the gateway's); can end a
-- session by holding a token of it; cannot fill the table of events with one token.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.user_of_login(name text) returns setof auth.user
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_name constant text := auth_private.username_form(name);
begin
  return query
    select u.*
      from auth.user as u
     where u.username = v_name
        or (
          lower(normalize(u.email, nfkc)) = auth_private.address_key(v_name)
          and u.email_verified_at is not null
        )
     order by (u.username = v_name) desc
     limit 1;
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

  select u.* into v_checked from auth_private.user_of_login(user_) as u;

  if not auth_private.password_matches(
    pass, case when v_checked.disabled_at is null then v_checked.password end
  ) then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;

  select u.* into v_user from auth.user as u where u.id = v_checked.id for no key update;
  if v_user.id is null
    or v_user.disabled_at is not null
    or not auth_private.role_is_assignable(v_user.role)
    -- changed since it was checked: by a new password, or by another login that brought it to today's cost
    or (
      v_user.password <> v_checked.password
      and not auth_private.password_matches(pass, v_user.password)
    )
  then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;

  if not auth_private.hash_is_current(v_user.password) then
    perform auth_private.strengthen_hash(v_user.id, pass);
  end if;
  -- The session whose cookie is about to be overwritten would live on, and its holder could not end it
  perform auth_private.end_session(
    auth_private.session_of_token(auth_private.presented_refresh_token()), 'signed_in_again'
  );
  perform auth_private.start_session(v_user.id, array['pwd']);
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

create or replace function auth_private.record_late_comer(session uuid) returns boolean
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
  perform auth_private.record_session_event_once('refresh_replayed', v_session);
  return true;
end
$$;

create or replace function auth.refresh_token() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_next record;
  v_claims jsonb;
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
  if v_next.token is null and auth_private.record_late_comer((v_next.session).id) then
    perform set_config('response.status', '401', true);
    return;
  end if;
  if v_next.token is not null then
    v_claims := auth_private.session_claims(v_next.session);
  end if;
  if v_claims is null then
    raise sqlstate 'PT401' using message = 'Invalid or expired refresh token';
  end if;

  perform auth_private.send_cookies(
    auth_private.mint_access_token(v_claims, v_next.expires_at, auth_private.token_proof(v_next.token)),
    v_next.token,
    v_next.expires_at
  );
  perform auth_private.prune_refresh_tokens();
end
$$;

grant execute on function auth.login(text, text), auth.logout(), auth.refresh_token() to anon, signed_in;

comment on function auth_private.user_of_login(text) is
  'The user with this name, or else with this verified address; none if there is neither.';
comment on function auth.login(text, text) is
  'Sign in: sets the session cookies, or answers 401.';
comment on function auth.logout() is
  'Sign out: ends the session and clears its cookies.';
comment on function auth_private.record_late_comer(uuid) is
  'Whether the session was given up by its holder; that a token of it came after all is recorded once.';
comment on function auth.refresh_token() is
  'Renew the session: sets both cookies anew, or answers 401.';

reset role;
