-- Another address, and a fresh proof of identity.
--
-- An address is changed when the new one has confirmed it. The old one is notified at the request and at the
-- change, with a code that takes it back for a week: it restores the old address, ends all sessions, and
-- voids all other codes.
--
-- Sensitive changes want a session whose holder signed in a few minutes ago (ASVS 5.0 7.5.1). Otherwise the
-- response is 403 with the code reauthentication_required: auth.reauthenticate() starts a new session in
-- place of this one.
--
-- Grants: execute to anon and to signed_in.
-- Attacker: with a stolen session older than that, needs the password; with the old mailbox of a user, takes
-- a change of address back within a week.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.require_fresh_proof(session auth.session) returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if session.auth_time
       <= clock_timestamp() - auth_private.reauthentication_life()
  then
    raise sqlstate 'PGRST' using
      message = json_build_object(
        'code', 'reauthentication_required',
        'message', 'Confirm your identity to continue',
        'details', null,
        'hint', 'Call reauthenticate, or sign in again; then repeat the request.'
      )::text,
      detail = '{"status": 403, "headers": {}}';
  end if;
end
$$;

create or replace function auth_private.hold_current_user() returns auth.user
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session constant auth.session := auth_private.hold_current_session();
  v_user auth.user;
begin
  select u.* into v_user from auth.user as u where u.id = v_session.user_id;
  if not found then
    raise sqlstate 'PT403' using message = 'This session has no user';
  end if;
  return v_user;
end
$$;

create or replace function auth.reauthenticate(password text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session;
  v_checked text;
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  perform auth_private.jwt_key();
  v_session := auth_private.current_session();
  select u.password into v_checked from auth.user as u where u.id = v_session.user_id;
  if not auth_private.password_matches(reauthenticate.password, v_checked) then
    raise sqlstate 'PT401' using message = 'Invalid password';
  end if;
  -- The same session and the same password, after the time that the check took
  v_session := auth_private.hold_current_session();
  select u.* into v_user from auth.user as u where u.id = v_session.user_id;
  if v_user.password is distinct from v_checked then
    raise sqlstate 'PT401' using message = 'Invalid password';
  end if;
  perform auth_private.end_session(v_session.id, 'signed_in_again');
  perform auth_private.start_session(
    v_user.id,
    array(select distinct m.method from unnest(v_session.amr || 'pwd'::text) as m (method) order by m.method),
    v_session.claims
  );
end
$$;

create or replace function auth.request_email_change(email text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.user;
  v_address text;
  v_owner auth.user;
  v_code auth.one_time_code;
  v_to text;
begin
  perform auth_private.refuse_read_only();
  v_user := auth_private.hold_current_user();
  perform auth_private.require_fresh_proof(auth_private.current_session());
  v_address := auth_private.fit_address(request_email_change.email);
  v_owner := auth_private.verified_user(v_address);
  if v_owner.id is null and not auth_private.mails_are_used_up(v_address) then
    v_to := v_address;
  end if;
  v_code := auth_private.open_code(
    'change_email', v_user.id, v_to, auth_private.verification_code_life()
  );
  perform auth_private.queue_mail('change_email', v_code, v_user, v_to);
  perform auth_private.record_event('email_change_requested', v_user.username, subject => v_user.id::text);
  perform auth_private.notify_old_address(v_user, 'email_change_requested', v_code.id, v_address);
  return auth_private.accept_request(v_code.request);
end
$$;

create or replace function auth_private.notify_old_address(
  old auth.user,
  event text,
  change uuid,
  new_address text
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code auth.one_time_code;
begin
  if old.email_verified_at is null then
    return;
  end if;
  v_code := auth_private.open_code(
    'notice',
    old.id,
    old.email,
    auth_private.cancellation_life(),
    jsonb_build_object('change', change, 'new_address', new_address)
  );
  perform auth_private.queue_notice(
    old, event, jsonb_build_object('new_address', auth_private.masked_address(new_address)), v_code
  );
end
$$;

create or replace function auth.confirm_email_change(request uuid, code text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code auth.one_time_code;
  v_old auth.user;
  v_new auth.user;
  v_kept uuid;
begin
  perform auth_private.refuse_read_only();
  v_code := auth_private.use_code('change_email', confirm_email_change.request, confirm_email_change.code);
  select u.* into v_old from auth.user as u where u.id = v_code.user_id and u.disabled_at is null;
  if v_old.id is null or not auth_private.free_address(v_code.address) then
    return auth_private.reject_code();
  end if;
  update auth.user as u
     set email = v_code.address, email_verified_at = clock_timestamp()
   where u.id = v_old.id
  returning u.* into v_new;
  perform auth_private.record_event('email_changed', v_new.username, subject => v_new.id::text);
  perform auth_private.notify_old_address(v_old, 'email_changed', v_code.id, v_code.address);
  perform auth_private.queue_notice(v_new, 'email_changed');
  if (auth_private.current_user_or_null()).id = v_new.id then
    v_kept := (auth_private.current_session()).id;
  end if;
  perform auth_private.end_sessions_of_subject(v_new.id::text, 'email_changed', kept => v_kept);
  return auth_private.accept_code('change_email');
end
$$;

create or replace function auth.cancel_email_change(request uuid, code text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code auth.one_time_code;
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  v_code := auth_private.use_code('notice', cancel_email_change.request, cancel_email_change.code);
  select u.* into v_user from auth.user as u where u.id = v_code.user_id;
  if v_user.id is null then
    return auth_private.reject_code();
  end if;
  -- The change has happened, and no later one: back to the address that this code was sent to
  if auth_private.address_key(v_user.email) = auth_private.address_key(v_code.data ->> 'new_address')
    and auth_private.free_address(v_code.address)
  then
    update auth.user as u
       set email = v_code.address, email_verified_at = clock_timestamp()
     where u.id = v_user.id
    returning u.* into v_user;
  end if;
  perform auth_private.void_codes_of(v_user.id);
  perform auth_private.record_event('email_change_cancelled', v_user.username, subject => v_user.id::text);
  perform auth_private.end_sessions_of_subject(v_user.id::text, 'email_change_cancelled');
  perform auth_private.queue_notice(v_user, 'email_change_cancelled');
  return auth_private.accept_code('cancel_email_change');
end
$$;

grant execute
  on function
    auth.reauthenticate(text), auth.request_email_change(text), auth.confirm_email_change(uuid, text),
    auth.cancel_email_change(uuid, text)
  to anon, signed_in;

comment on function auth_private.require_fresh_proof(auth.session) is
  'Raises 403 unless the holder of the session signed in within reauthentication_life.';
comment on function auth_private.hold_current_user() is
  'The user of this request''s session, both locked; raises PT401 without a session, PT403 without a user.';
comment on function auth.reauthenticate(text) is
  'Confirm your password: replaces the session, in new cookies, so that sensitive changes are permitted.';
comment on function auth.request_email_change(text) is
  'Change your address: 202 and a request, and a mail with a code to the new address.';
comment on function auth_private.notify_old_address(auth.user, text, uuid, text) is
  'Sends a notice with a code that takes the change back to the verified address of before.';
comment on function auth.confirm_email_change(uuid, text) is
  'Confirm a new address with the code of the mail: ends your other sessions; 401 if it is rejected.';
comment on function auth.cancel_email_change(uuid, text) is
  'Take back a change of your address with the code sent to the old one: ends all your sessions.';

reset role;
