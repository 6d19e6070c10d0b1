-- auth.login(user_, pass): a session for a name and a password.
--
-- Unknown name, wrong password, disabled user, unfit password: the same words after the same work, so
-- neither answer nor time tells who has an account. It raises, as the known recipes do; there is nothing
-- yet that a rolled back transaction would lose.
--
-- The row that was checked is locked and read again before the session begins: bcrypt takes long enough
-- for the password to be changed, or the user disabled, meanwhile.
--
-- Grants: execute to anon (the gateway always calls as anon) and to signed_in (straight through
-- PostgREST, a client that still sends its bearer token may log in again).
-- Attacker: may guess, at the price of one bcrypt per guess; limits are the gateway's.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (17, '0017_login');

set local role auth_owner;

create function auth_private.start_session(username text, role text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_refresh record;
begin
  select t.* into v_refresh from auth_private.issue_refresh_token(username) as t;
  perform auth_private.send_cookies(
    auth_private.mint_access_token(username, role), v_refresh.token, v_refresh.expires_at
  );
  perform auth_private.prune_refresh_tokens();
end
$$;

create function auth.login(user_ text, pass text) returns void
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
  perform auth_private.revoke_family_of_token(auth_private.presented_refresh_token());
  perform auth_private.start_session(v_user.username, v_user.role);
end
$$;

grant execute on function auth.login(text, text) to anon, signed_in;

comment on function auth_private.start_session(text, text) is
  'Starts a session for a user whose identity is settled, and sends its cookies.';
comment on function auth.login(text, text) is
  'Sign in: sets the session cookies, or answers 401.';

reset role;
