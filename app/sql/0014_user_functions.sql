-- For the owner's tools (`postgate user ...`): users with a hash made elsewhere, so that a plain
-- password is in no statement the server might log. And the end of sessions when it must be.
--
-- A new password or a disabled user ends all sessions of that user: whoever changes a password because
-- it leaked expects the thief to be out.
--
-- Grants: nothing, to nobody: these are for auth_owner, for superusers and for members of auth_owner.
-- Attacker: who may execute these may become any user.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (14, '0014_user_functions');

set local role auth_owner;

create function auth.add_user(username text, password_hash text, role text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.announce_hash(password_hash);
  insert into auth.user (username, password, role)
  values (add_user.username, add_user.password_hash, add_user.role);
end
$$;

create function auth.set_password_hash(username text, password_hash text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.announce_hash(password_hash);
  update auth.user as u
     set password = set_password_hash.password_hash
   where u.username = auth_private.username_form(set_password_hash.username);
  if not found then
    raise no_data_found using message = 'there is no such user';
  end if;
end
$$;

-- At a login the plain password is at hand: bring a hash of lower cost up to today's. The password stays
-- the same, so the sessions stay too.
create function auth_private.strengthen_hash(username text, password text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_hash constant text := auth_private.bcrypt(
    password, auth_private.bcrypt_salt(auth_private.bcrypt_cost())
  );
begin
  perform auth_private.announce_hash(v_hash);
  perform set_config('postgate.keep_sessions', 'true', true);
  update auth.user as u set password = v_hash where u.username = strengthen_hash.username;
  perform set_config('postgate.keep_sessions', '', true);
end
$$;

create function auth_private.tg_user__end_sessions() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if auth_private.setting('postgate.keep_sessions') is null then
    perform auth_private.revoke_families_of(new.username);
  end if;
  return null;
end
$$;

create trigger user_400_end_sessions
  after update of password, disabled_at on auth.user
  for each row
  when (old.password is distinct from new.password or new.disabled_at is not null)
  execute function auth_private.tg_user__end_sessions();

comment on function auth.add_user(text, text, text) is
  'A new user with a ready-made bcrypt hash ($2a$, cost 10 to 15). For the owner''s tools.';
comment on function auth.set_password_hash(text, text) is
  'A new password as a ready-made bcrypt hash; ends all sessions of the user. For the owner''s tools.';
comment on function auth_private.strengthen_hash(text, text) is
  'Stores a new hash of today''s cost for a password just checked; ends no session.';
comment on function auth_private.tg_user__end_sessions() is
  'Revokes all refresh tokens of a user whose password changed or who was disabled.';
comment on trigger user_400_end_sessions on auth.user is
  'After the change, under the row lock that a login in flight waits for.';

reset role;
