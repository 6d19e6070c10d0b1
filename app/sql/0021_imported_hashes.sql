-- bcrypt hashes of a lower cost may come in, so that the users of another system keep their passwords.
--
-- The known recipes hash with gen_salt('bf'), which is cost 6. Such a hash is taken as it is, through
-- auth.add_user and auth.set_password_hash alone, and made as strong as any other at the next login of
-- its owner, when the password is at hand. A plain password is hashed at bcrypt_cost(), as before, and
-- checking costs the same for a hash of any age.
--
-- Grants: nothing, to nobody.
-- Attacker: who steals the table guesses the passwords of users who have not signed in since at the lower
-- cost.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (21, '0021_imported_hashes');

set local role auth_owner;

alter table auth.user drop constraint user_password_check;
alter table auth.user add constraint user_password_check
  check (password ~ '^\$2a\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$');

create or replace function auth_private.announce_hash(hash text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if hash is null or hash !~ '^\$2a\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$' then
    raise check_violation using
      message = 'the password hash is not acceptable',
      hint = 'bcrypt with the prefix $2a$ (not $2b$, which pgcrypto does not know) and a cost of 4 to 15.',
      schema = 'auth', table = 'user', column = 'password';
  end if;
  perform set_config('postgate.announced_hash', encode(sha256(convert_to(hash, 'UTF8')), 'hex'), true);
end
$$;

comment on function auth_private.announce_hash(text) is
  'Lets this transaction write this very hash to auth.user as it is; refuses what is not bcrypt (23514).';
comment on function auth.add_user(text, text, text) is
  'A new user with a ready-made bcrypt hash ($2a$, cost 4 to 15). For the owner''s tools.';

reset role;
