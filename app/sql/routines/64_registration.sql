-- auth.register, auth.verify_email, auth.create_guest: how a client becomes a user.
--
-- A registration is a code with the hash of its password, and no user: the user is made when the code comes
-- back. So two registrations of one address cannot mix, and a password that an attacker chose for it never
-- becomes that of its owner ("pre-hijacking", Sudhodanan and Paverd, USENIX Security 2022). What was not
-- verified vanishes with its code. Verifying starts no session.
--
-- Role and mode come from auth.registration and from nothing in the request.
--
-- With the session of a guest, the guest becomes the user, with the same id.
--
-- Grants: execute to anon and to signed_in.
-- Attacker: pays one bcrypt for each registration (limits are the gateway's); learns of no address whether it
-- has a user: its owner gets a notice instead of a code.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.current_user_or_null() returns auth.user
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session;
  v_user auth.user;
begin
  v_session := auth_private.current_session();
  select u.* into v_user from auth.user as u where u.id = v_session.user_id and u.disabled_at is null;
  return v_user;
exception
  when sqlstate 'PT401' then
    return null;
end
$$;

create or replace function auth_private.fit_address(email text) returns text
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_address constant text := auth_private.address_form(email);
begin
  if v_address is null then
    raise sqlstate 'PT422' using
      message = 'The address is not acceptable',
      hint = 'An address of the form name@example.com, of 254 bytes at most.';
  end if;
  return v_address;
end
$$;

create or replace function auth_private.fit_data(data jsonb) returns jsonb
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  if coalesce(jsonb_typeof(data), 'null') <> 'object' or octet_length(data::text) > 8192 then
    raise sqlstate 'PT422' using
      message = 'The data is not acceptable', hint = 'A JSON object of 8192 bytes at most.';
  end if;
  return data;
end
$$;

create or replace function auth.register(email text, password text, data jsonb default '{}') returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_rules auth.registration;
  v_address text;
  v_hash text;
  v_caller auth.user;
  v_owner auth.user;
  v_to text;
  v_code auth.one_time_code;
begin
  perform auth_private.refuse_read_only();
  select r.* into v_rules from auth.registration as r;
  if v_rules.mode <> 'open' then
    raise sqlstate 'PT403' using message = 'Registration is closed';
  end if;
  v_address := auth_private.fit_address(register.email);
  if cardinality(v_rules.domains) > 0 and split_part(v_address, '@', 2) <> all (v_rules.domains) then
    raise sqlstate 'PT403' using message = 'Addresses of this domain may not register';
  end if;
  perform auth_private.fit_data(register.data);
  perform auth_private.refuse_unfit_password(register.password, array[v_address]);
  v_hash := auth_private.password_hash(register.password);

  v_caller := auth_private.current_user_or_null();
  v_owner := auth_private.verified_user(v_address);
  if not auth_private.mails_are_used_up(v_address) then
    v_to := v_address;
  end if;
  v_code := auth_private.open_code(
    'verify_email',
    case when v_caller.is_guest then v_caller.id end,
    case when v_owner.id is null then v_to end,
    auth_private.verification_code_life(),
    jsonb_build_object('hash', v_hash, 'data', register.data)
  );
  if v_owner.id is null then
    perform auth_private.queue_mail('verify_email', v_code, null, v_to);
  else
    perform auth_private.queue_mail(
      'notice',
      null,
      v_owner,
      case when v_to is not null and v_owner.disabled_at is null then v_owner.email end,
      jsonb_build_object('event', 'registration_attempted')
    );
  end if;
  return auth_private.accept_request(v_code.request);
end
$$;

create or replace function auth.verify_email(request uuid, code text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code auth.one_time_code;
  v_rules auth.registration;
begin
  perform auth_private.refuse_read_only();
  v_code := auth_private.use_code('verify_email', verify_email.request, verify_email.code);
  select r.* into v_rules from auth.registration as r;
  if v_code.id is null or v_rules.mode <> 'open' or not auth_private.free_address(v_code.address) then
    return auth_private.reject_code();
  end if;

  if v_code.user_id is null then
    perform auth_private.new_user(
      'registration',
      v_code.address,
      v_rules.role,
      v_code.data ->> 'hash',
      v_code.data -> 'data',
      (select o.language from auth.outbox as o where o.code_id = v_code.id limit 1)
    );
  elsif not auth_private.upgrade_guest(v_code, v_rules.role) then
    return auth_private.reject_code();
  end if;
  -- Without those that are being used: they wait for the address, and find it taken
  update auth.one_time_code as c
     set voided_at = clock_timestamp()
   where c.id in (
     select same.id
       from auth.one_time_code as same
      where lower(normalize(same.address, nfkc)) = auth_private.address_key(v_code.address)
        and same.purpose in ('verify_email', 'invitation')
        and same.used_at is null
      order by same.id
        for update skip locked
   );
  return auth_private.accept_code('verify_email');
end
$$;

create or replace function auth_private.upgrade_guest(code auth.one_time_code, role text) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.announce_hash(code.data ->> 'hash');
  perform set_config('postgate.keep_sessions', 'true', true);
  update auth.user as u
     set email = code.address,
         email_verified_at = clock_timestamp(),
         password = code.data ->> 'hash',
         role = upgrade_guest.role,
         data = u.data || (code.data -> 'data'),
         is_guest = false
   where u.id = code.user_id and u.is_guest and u.disabled_at is null;
  perform set_config('postgate.keep_sessions', '', true);
  return found;
end
$$;

create or replace function auth.create_guest() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_role constant text := (select r.guest_role from auth.registration as r);
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  perform auth_private.jwt_key();
  if v_role is null then
    raise sqlstate 'PT403' using message = 'There are no guests';
  end if;
  -- A client that calls this twice keeps the guest it has, and a user stays signed in
  v_user := auth_private.current_user_or_null();
  if v_user.id is null then
    v_user := auth_private.new_user('guest', null, v_role, null);
    perform auth_private.start_session(v_user.id, '{}');
  end if;
end
$$;

grant execute
  on function auth.register(text, text, jsonb), auth.verify_email(uuid, text), auth.create_guest()
  to anon, signed_in;

comment on function auth_private.current_user_or_null() is
  'The user of this request''s session, or null.';
comment on function auth_private.fit_address(text) is
  'The address in its form; raises PT422 if it has none.';
comment on function auth_private.fit_data(jsonb) is
  'What a user says of themselves; raises PT422 if it is no object, or too large.';
comment on function auth.register(text, text, jsonb) is
  'Register with an address and a password: 202 and a request, and a mail with a code for auth.verify_email.';
comment on function auth.verify_email(uuid, text) is
  'Verify an address with the code of the mail: makes the user who registered, or answers 401.';
comment on function auth_private.upgrade_guest(auth.one_time_code, text) is
  'Makes a user of a guest; false if the user is no guest any more.';
comment on function auth.create_guest() is
  'Sign in as a new guest, without address and password; keeps a session that is there.';

reset role;
