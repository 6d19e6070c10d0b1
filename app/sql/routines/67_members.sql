-- Invitations, what users say of themselves, and the end of an account.
--
-- Grants: execute to anon and to signed_in.
-- Attacker: with a session of a user who may invite, adds users of the roles in auth.invitation_right, to
-- their mailboxes; deletes the account of a user who signed in a few minutes ago.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.may_invite(inviter uuid, role text) returns boolean
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return auth_private.role_is_assignable(may_invite.role)
    and exists (select from auth.registration as g where g.mode <> 'closed')
    and exists (
      select
        from auth.user as u
        join auth.invitation_right as r on r.inviter = u.role
       where u.id = may_invite.inviter
         and u.disabled_at is null
         and r.role = may_invite.role
    );
end
$$;

create or replace function auth.invite(email text, role text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.user;
  v_address text;
  v_to text;
  v_code auth.one_time_code;
begin
  perform auth_private.refuse_read_only();
  v_user := auth_private.hold_current_user();
  if not auth_private.may_invite(v_user.id, invite.role) then
    raise sqlstate 'PT403' using message = 'You may not invite users with this role';
  end if;
  v_address := auth_private.fit_address(invite.email);
  if (
    select count(*)
      from auth.one_time_code as c
     where c.purpose = 'invitation'
       and c.data ->> 'inviter' = v_user.id::text
       and c.created_at > clock_timestamp() - interval '1 day'
  ) >= auth_private.invitations_per_day()
  then
    raise sqlstate 'PT429' using message = 'You have invited too many users today';
  end if;
  if (auth_private.verified_user(v_address)).id is null and not auth_private.mails_are_used_up(v_address) then
    v_to := v_address;
  end if;
  v_code := auth_private.open_code(
    'invitation',
    null,
    v_to,
    auth_private.invitation_life(),
    jsonb_build_object('role', invite.role, 'inviter', v_user.id)
  );
  perform auth_private.queue_mail(
    'invitation',
    v_code,
    null,
    v_to,
    jsonb_build_object('role', invite.role, 'username', v_user.username)
  );
  perform auth_private.record_event('user_invited', v_user.username, subject => v_user.id::text);
  return auth_private.accept_request(v_code.request);
end
$$;

create or replace function auth.accept_invitation(request uuid, code text, password text) returns json
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code auth.one_time_code;
begin
  perform auth_private.refuse_read_only();
  perform auth_private.refuse_unfit_password(accept_invitation.password, '{}');
  v_code := auth_private.use_code('invitation', accept_invitation.request, accept_invitation.code);
  if v_code.id is null
    or not auth_private.may_invite((v_code.data ->> 'inviter')::uuid, v_code.data ->> 'role')
    or not auth_private.free_address(v_code.address)
  then
    return auth_private.reject_code();
  end if;
  perform auth_private.refuse_unfit_password(accept_invitation.password, array[v_code.address]);
  perform auth_private.new_user(
    'invitation',
    v_code.address,
    v_code.data ->> 'role',
    auth_private.password_hash(accept_invitation.password),
    language => auth_private.request_language()
  );
  return auth_private.accept_code('invitation');
end
$$;

create or replace function auth.update_profile(data jsonb) returns jsonb
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  v_user := auth_private.hold_current_user();
  perform auth_private.fit_data(update_profile.data);
  update auth.user as u
     set data = auth_private.fit_data(jsonb_strip_nulls(u.data || update_profile.data))
   where u.id = v_user.id
  returning u.* into v_user;
  return v_user.data;
end
$$;

create or replace function auth.delete_account() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  v_user := auth_private.hold_current_user();
  perform auth_private.require_fresh_proof(auth_private.current_session());
  perform auth_private.queue_notice(v_user, 'account_deleted');
  delete from auth.user as u where u.id = v_user.id;
  perform auth_private.clear_cookies();
end
$$;

grant execute
  on function
    auth.invite(text, text), auth.accept_invitation(uuid, text, text), auth.update_profile(jsonb),
    auth.delete_account()
  to anon, signed_in;

comment on function auth_private.may_invite(uuid, text) is
  'Whether this user may invite users with this role.';
comment on function auth.invite(text, text) is
  'Invite a user with a role: 202 and a request, and a mail with a code for auth.accept_invitation.';
comment on function auth.accept_invitation(uuid, text, text) is
  'Become a user with the code of an invitation and a password of your own, or 401.';
comment on function auth.update_profile(jsonb) is
  'Change what you say of yourself: members are replaced, null removes one; the whole object.';
comment on function auth.delete_account() is
  'Delete your account: ends all your sessions and clears the cookies.';

reset role;
