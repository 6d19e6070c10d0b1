-- For the owner's tools (`postgate user ...`): users with a hash made elsewhere, so that a plain password is
-- in no statement that the server might log; and users locked out and let in again.
--
-- Grants: none: these are for auth_owner, for superusers and for members of auth_owner.
-- Attacker: a role that may execute these may become any user, and lock users out.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth.add_user(username text, password_hash text, role text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.announce_hash(password_hash);
  insert into auth.user (username, password, role)
  values (add_user.username, add_user.password_hash, add_user.role);
end
$$;

create or replace function auth.set_password_hash(username text, password_hash text) returns void
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

create or replace function auth.disable_user(username text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update auth.user as u
     set disabled_at = coalesce(u.disabled_at, clock_timestamp())
   where u.username = auth_private.username_form(disable_user.username);
  if not found then
    raise no_data_found using message = 'there is no such user';
  end if;
end
$$;

create or replace function auth.enable_user(username text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update auth.user as u
     set disabled_at = null
   where u.username = auth_private.username_form(enable_user.username);
  if not found then
    raise no_data_found using message = 'there is no such user';
  end if;
end
$$;

comment on function auth.add_user(text, text, text) is
  'A new user with a ready-made bcrypt hash ($2a$, cost 4 to 15). For the owner''s tools.';
comment on function auth.set_password_hash(text, text) is
  'A new password as a ready-made bcrypt hash; ends all sessions of the user. For the owner''s tools.';
comment on function auth.disable_user(text) is
  'Ends all sessions of the user, who can neither sign in nor refresh from now on. For the owner''s tools.';
comment on function auth.enable_user(text) is
  'Lets a disabled user sign in again. For the owner''s tools.';

reset role;
