-- auth.change_password(old, new): a new password for who knows the old one; the other sessions end.
--
-- Whoever changes a password because it leaked expects the thief to be out: every session but this one ends.
-- The new hash is made before any lock is taken, so that nobody waits for it.
--
-- Grants: execute to anon (the gateway always calls as anon) and to signed_in.
-- Attacker: who has stolen a session may guess the old password, at the price of one bcrypt per guess;
-- limits are the gateway's. It is asked for so that a session left open does not cost the account.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (31, '0031_change_password');

set local role auth_owner;

create function auth_private.set_own_password(username text, hash text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.announce_hash(hash);
  perform set_config('postgate.keep_sessions', 'true', true);
  update auth.user as u set password = hash where u.username = set_own_password.username;
  perform set_config('postgate.keep_sessions', '', true);
end
$$;

create function auth.change_password(old text, new text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session;
  v_checked text;
  v_stored text;
  v_hash text;
begin
  perform auth_private.refuse_read_only();
  v_session := auth_private.current_session();
  if not auth_private.password_has_length(change_password.new) then
    raise sqlstate 'PT422' using
      message = 'The new password is not acceptable',
      hint = '1 to 72 bytes in UTF-8.';
  end if;

  select u.password into v_checked from auth.user as u where u.username = v_session.username;
  if not auth_private.password_matches(change_password.old, v_checked) then
    raise sqlstate 'PT401' using message = 'Invalid password';
  end if;
  v_hash := auth_private.bcrypt(
    change_password.new, auth_private.bcrypt_salt(auth_private.bcrypt_cost())
  );

  v_session := auth_private.hold_current_session();
  select u.password into v_stored from auth.user as u where u.username = v_session.username;
  -- changed since it was checked: by somebody else, or by a login that made it stronger
  if v_stored <> v_checked and not auth_private.password_matches(change_password.old, v_stored) then
    raise sqlstate 'PT401' using message = 'Invalid password';
  end if;

  perform auth_private.set_own_password(v_session.username, v_hash);
  perform auth_private.record_event('password_changed', v_session.username, v_session.id);
  perform auth_private.end_sessions_of(v_session.username, 'password_changed', kept => v_session.id);
end
$$;

grant execute on function auth.change_password(text, text) to anon, signed_in;

comment on function auth_private.set_own_password(text, text) is
  'Stores a hash; which sessions end is up to the caller.';
comment on function auth.change_password(text, text) is
  'Change your password: ends your other sessions; 401 if the old one is wrong, 422 if the new one is unfit.';

reset role;
