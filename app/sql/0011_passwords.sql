-- How a password gets into auth.user, and how one is checked.
--
-- Plain, by insert or update: hashed by a trigger, so that the known recipes work as written.
-- Ready-made, for a client that hashes (the CLI), so that no plain password reaches a server log: with
-- auth.add_user and auth.set_password_hash (0014). These announce the very hash they are about to
-- write: its digest stands in a setting of the transaction. Guessing instead ("it looks like a hash")
-- would let whoever types a password into a form choose what is stored.
--
-- Grants: nothing, to nobody.
-- Attacker: the cost of each guess. Checking costs the same for a hash of any age and for no hash at
-- all, so time does not tell who exists.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (11, '0011_passwords');

set local role auth_owner;

-- 12: the default of the usual bcrypt libraries, 0.29 s here on one core of 2026 (10: 0.07 s, 13:
-- 0.57 s). Dearer, and a login storm is a denial of service on the database; cheaper, and a stolen
-- table is. The owner may replace this function: 10 to 15, as auth.user holds nothing else.
-- Logins bring the older hashes up to it.
create function auth_private.bcrypt_cost() returns integer
  language sql immutable
  return 12;

-- bcrypt looks at 72 bytes and ignores the rest: longer ones are refused, or two passwords that
-- begin alike would be one (and an empty one is no password)
create function auth_private.password_has_length(password text) returns boolean
  language sql immutable
  return coalesce(octet_length(password) between 1 and 72, false);

-- A salt like any other and 31 characters that no password hashes to on purpose
create function auth_private.unmatchable_hash(cost integer) returns text
  language sql immutable strict
  return '$2a$' || lpad(cost::text, 2, '0') || '$' || repeat('.', 53);

create function auth_private.password_matches(password text, hash text) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_password constant text := coalesce(password, '');
  v_hash constant text := coalesce(hash, auth_private.unmatchable_hash(auth_private.bcrypt_cost()));
  v_equal constant boolean := auth_private.bcrypt(v_password, v_hash) = v_hash;
begin
  -- A hash from a time of lower cost is quicker to check, which would tell its owner's name apart
  -- from an unknown one. 2^c + (2^c + 2^(c+1) + ... + 2^(n-1)) = 2^n
  for v_cost in substr(v_hash, 5, 2)::integer .. auth_private.bcrypt_cost() - 1 loop
    perform auth_private.bcrypt(v_password, auth_private.unmatchable_hash(v_cost));
  end loop;
  return v_equal and auth_private.password_has_length(password) and hash is not null;
end
$$;

create function auth_private.announce_hash(hash text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if hash is null or hash !~ '^\$2a\$1[0-5]\$[./A-Za-z0-9]{53}$' then
    raise check_violation using
      message = 'the password hash is not acceptable',
      hint = 'bcrypt with the prefix $2a$ (not $2b$, which pgcrypto does not know) and a cost of 10 to 15.',
      schema = 'auth', table = 'user', column = 'password';
  end if;
  perform set_config('postgate.announced_hash', encode(sha256(convert_to(hash, 'UTF8')), 'hex'), true);
end
$$;

create function auth_private.hash_is_announced(hash text) returns boolean
  language sql stable strict
  return encode(sha256(convert_to(hash, 'UTF8')), 'hex')
         = coalesce(auth_private.setting('postgate.announced_hash'), '');

create function auth_private.tg_user__password() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if auth_private.hash_is_announced(new.password) then
    return new;
  end if;
  if tg_op = 'UPDATE' and new.password = old.password then
    return new; -- written back unchanged, as ORMs do: hashing the hash would lock the user out
  end if;
  if not auth_private.password_has_length(new.password) then
    raise check_violation using
      message = 'the password is not acceptable',
      hint = '1 to 72 bytes in UTF-8.',
      schema = 'auth', table = 'user', column = 'password';
  end if;
  new.password := auth_private.bcrypt(
    new.password, auth_private.bcrypt_salt(auth_private.bcrypt_cost())
  );
  return new;
end
$$;

create trigger user_300_password
  before insert or update of password on auth.user
  for each row execute function auth_private.tg_user__password();

comment on function auth_private.bcrypt_cost() is
  'The cost of new hashes: each step up doubles the work of a login, and of a guess.';
comment on function auth_private.password_has_length(text) is
  'Whether bcrypt can hold the password in full: 1 to 72 bytes.';
comment on function auth_private.unmatchable_hash(integer) is
  'A hash of this cost that stands for no password, to do the work of a check without one.';
comment on function auth_private.password_matches(text, text) is
  'Whether the password belongs to the hash, with equal work whatever they are, a null hash included.';
comment on function auth_private.announce_hash(text) is
  'Lets this transaction write this very hash to auth.user as it is; refuses a weak or foreign one (23514).';
comment on function auth_private.hash_is_announced(text) is
  'Whether this very value was announced as a hash in this transaction.';
comment on function auth_private.tg_user__password() is
  'Stores the bcrypt hash of a plain password, or refuses it (23514); no message ever holds the value.';
comment on trigger user_300_password on auth.user is
  'After the other refusals, as it is the dearest.';

reset role;
