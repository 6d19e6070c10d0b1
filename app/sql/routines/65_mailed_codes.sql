-- A forgotten password, and sign-in by a code: for the owner of a verified address.
--
-- Requesting a code changes nothing for the user. A new password ends all sessions and voids all codes of the
-- user, and starts no session. A code to sign in is one factor (`otp`), as strong as the mailbox is guarded.
-- It is off unless sign_in_codes of auth.setting is 1.
--
-- Grants: execute to anon and to signed_in.
-- Attacker: a reader of the mailbox can become the user.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth.request_password_reset(email text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.refuse_read_only();
  return auth_private.send_code(
    'reset_password',
    auth_private.verified_user(auth_private.fit_address(request_password_reset.email)),
    auth_private.reset_code_life()
  );
end
$$;

create or replace function auth.reset_password(request uuid, code text, password text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code auth.one_time_code;
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  -- Before the code: an unfit password must not use it up, nor show that it is right
  perform auth_private.refuse_unfit_password(reset_password.password, '{}');
  v_code := auth_private.use_code('reset_password', reset_password.request, reset_password.code);
  select u.* into v_user from auth.user as u where u.id = v_code.user_id and u.disabled_at is null;
  if v_user.id is null then
    return auth_private.reject_code();
  end if;
  perform auth_private.refuse_unfit_password(reset_password.password, array[v_user.username, v_user.email]);

  perform auth_private.set_own_password(v_user.id, auth_private.password_hash(reset_password.password));
  perform auth_private.record_event('password_reset', v_user.username, subject => v_user.id::text);
  perform auth_private.void_codes_of(v_user.id);
  perform auth_private.end_sessions_of_subject(v_user.id::text, 'password_reset');
  perform auth_private.queue_notice(v_user, 'password_reset');
  return auth_private.accept_code('reset_password');
end
$$;

create or replace function auth_private.refuse_without_sign_in_codes() returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if auth_private.sign_in_codes() = 0 then
    raise sqlstate 'PT403' using message = 'Signing in with a code is not enabled';
  end if;
end
$$;

create or replace function auth.request_sign_in_code(email text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.refuse_read_only();
  perform auth_private.refuse_without_sign_in_codes();
  return auth_private.send_code(
    'sign_in',
    auth_private.verified_user(auth_private.fit_address(request_sign_in_code.email)),
    auth_private.sign_in_code_life()
  );
end
$$;

create or replace function auth.sign_in_with_code(request uuid, code text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code auth.one_time_code;
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  perform auth_private.jwt_key(); -- a server that cannot sign says so to every client alike
  perform auth_private.refuse_without_sign_in_codes();
  v_code := auth_private.use_code('sign_in', sign_in_with_code.request, sign_in_with_code.code);
  select u.* into v_user from auth.user as u where u.id = v_code.user_id and u.disabled_at is null;
  if v_user.id is null or not auth_private.role_is_assignable(v_user.role) then
    return auth_private.reject_code();
  end if;
  perform auth_private.end_session(
    auth_private.session_of_token(auth_private.presented_refresh_token()), 'signed_in_again'
  );
  perform auth_private.start_session(v_user.id, array['otp']);
  return auth_private.accept_code('sign_in');
end
$$;

grant execute
  on function
    auth.request_password_reset(text), auth.reset_password(uuid, text, text),
    auth.request_sign_in_code(text), auth.sign_in_with_code(uuid, text)
  to anon, signed_in;

comment on function auth.request_password_reset(text) is
  'Forgotten password: 202 and a request, and a mail with a code to the owner of a verified address.';
comment on function auth.reset_password(uuid, text, text) is
  'Set a new password with the code of the mail: ends all sessions; 401 if the code is rejected, 422 if the '
  'password is unfit.';
comment on function auth_private.refuse_without_sign_in_codes() is
  'Raises PT403 unless users may sign in with codes.';
comment on function auth.request_sign_in_code(text) is
  'Sign in without a password: 202 and a request, and a mail with a code to the owner of a verified address.';
comment on function auth.sign_in_with_code(uuid, text) is
  'Sign in with the code of the mail: sets the session cookies, or answers 401.';

reset role;
