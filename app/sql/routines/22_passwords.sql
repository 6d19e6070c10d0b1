-- How a password gets into auth.user, and how one is checked.
--
-- Plain, by insert or update: hashed by a trigger, so that the known recipes work as written.
-- Ready-made, from a client that hashes (the CLI), so that no plain password reaches a server log: with
-- auth.add_user and auth.set_password_hash. These announce the very hash they are about to write: its digest
-- stands in a setting of the transaction. Guessing instead ("it looks like a hash") would let a user who
-- types a password into a form choose what is stored.
--
-- bcrypt reads 72 bytes and stops at a NUL. So a new hash is bcrypt of base64(HMAC-SHA-256(password)), where
-- the password is in Unicode NFKC and the key of the HMAC is a constant: not a bare digest, as a thief could
-- try digests of another system's breach against it. A suffix marks this scheme. bcrypt hashes of the
-- password itself may come in the second way (the known recipes hash at cost 6): they, and hashes of another
-- cost than today's, are replaced at the next login, when the password is at hand.
--
-- Every check does as much work as the most expensive hash of the enabled users asks for, so that the time of
-- a check does not tell whether a user exists, or is disabled, or has an old hash.
--
-- Grants: none.
-- Attacker: pays one bcrypt for each guess; learns from the time of a check that there is a dear hash, and
-- not whose; with a stolen table, guesses passwords of users with an imported hash at its lower cost.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.password_has_length(password text) returns boolean
  language sql immutable
  return coalesce(char_length(password) between 1 and 256, false);

create or replace function auth_private.password_digest(password text) returns text
  language sql immutable strict
  return replace(
    encode(
      auth_private.hmac_sha256(
        convert_to(normalize(left(password, 257), nfkc), 'UTF8'), convert_to('postgate password 1', 'UTF8')
      ),
      'base64'
    ),
    E'\n', ''
  );

create or replace function auth_private.password_hash(password text) returns text
  language sql volatile strict
  return auth_private.bcrypt(
    auth_private.password_digest(password), auth_private.bcrypt_salt(auth_private.bcrypt_cost())
  ) || '$postgate1';

create or replace function auth_private.hash_is_marked(hash text) returns boolean
  language sql immutable strict
  return right(hash, 10) = '$postgate1';

create or replace function auth_private.hash_is_current(hash text) returns boolean
  language sql stable strict
  return auth_private.hash_is_marked(hash)
    and substr(hash, 5, 2)::integer = auth_private.bcrypt_cost();

-- A salt like any other and 31 characters that no password hashes to on purpose
create or replace function auth_private.unmatchable_hash(cost integer) returns text
  language sql immutable strict
  return '$2a$' || lpad(cost::text, 2, '0') || '$' || repeat('.', 53);

create or replace function auth_private.password_matches(password text, hash text) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_password constant text := coalesce(password, '');
  v_hash constant text := coalesce(hash, auth_private.unmatchable_hash(auth_private.bcrypt_cost()));
  v_is_marked constant boolean := auth_private.hash_is_marked(v_hash);
  v_equal constant boolean := auth_private.bcrypt(
    case when v_is_marked then auth_private.password_digest(v_password) else v_password end, left(v_hash, 60)
  ) = left(v_hash, 60);
  v_highest constant integer := greatest(
    auth_private.bcrypt_cost(),
    (select max(substr(u.password, 5, 2)::integer) from auth.user as u where u.disabled_at is null)
  );
begin
  -- A hash of lower cost is quicker to check, which would tell its owner's name apart from an unknown one.
  -- 2^c + (2^c + 2^(c+1) + ... + 2^(n-1)) = 2^n
  for v_cost in substr(v_hash, 5, 2)::integer .. v_highest - 1 loop
    perform auth_private.bcrypt(v_password, auth_private.unmatchable_hash(v_cost));
  end loop;
  return v_equal
    and auth_private.password_has_length(password)
    and (v_is_marked or octet_length(password) <= 72)
    and hash is not null;
end
$$;

create or replace function auth_private.announce_hash(hash text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if hash is null or hash !~ '^\$2a\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}(\$postgate1)?$' then
    raise check_violation using
      message = 'the password hash is not acceptable',
      hint = 'bcrypt with the prefix $2a$ (not $2b$, which pgcrypto does not know) and a cost of 4 to 15.',
      schema = 'auth', table = 'user', column = 'password';
  end if;
  perform set_config('postgate.announced_hash', encode(sha256(convert_to(hash, 'UTF8')), 'hex'), true);
end
$$;

create or replace function auth_private.hash_is_announced(hash text) returns boolean
  language sql stable strict
  return encode(sha256(convert_to(hash, 'UTF8')), 'hex')
         = coalesce(auth_private.setting('postgate.announced_hash'), '');

-- At a login the plain password is at hand: bring a hash of lower cost up to today's. The password stays
-- the same, so the sessions stay too.
create or replace function auth_private.strengthen_hash(user_id uuid, password text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_hash constant text := auth_private.password_hash(password);
begin
  perform auth_private.announce_hash(v_hash);
  perform set_config('postgate.keep_sessions', 'true', true);
  update auth.user as u set password = v_hash where u.id = user_id;
  perform set_config('postgate.keep_sessions', '', true);
end
$$;

create or replace function auth_private.set_own_password(user_id uuid, hash text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.announce_hash(hash);
  perform set_config('postgate.keep_sessions', 'true', true);
  update auth.user as u set password = hash where u.id = user_id;
  perform set_config('postgate.keep_sessions', '', true);
end
$$;

create or replace function auth_private.tg_user__password() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if auth_private.hash_is_announced(new.password) or (new.password is null and new.is_guest) then
    return new;
  end if;
  if tg_op = 'UPDATE' and new.password = old.password then
    return new; -- written back unchanged, as ORMs do: hashing the hash would lock the user out
  end if;
  if not auth_private.password_has_length(new.password) then
    raise check_violation using
      message = 'the password is not acceptable',
      hint = '1 to 256 characters.',
      schema = 'auth', table = 'user', column = 'password';
  end if;
  new.password := auth_private.password_hash(new.password);
  return new;
end
$$;

create or replace trigger user_300_password
  before insert or update of password on auth.user
  for each row execute function auth_private.tg_user__password();

comment on function auth_private.password_has_length(text) is
  'Whether a password may be stored: 1 to 256 characters (code points). What a user may choose is less.';
comment on function auth_private.password_digest(text) is
  'What bcrypt is given instead of the password: 44 characters.';
comment on function auth_private.password_hash(text) is
  'A new hash of the password, at today''s cost.';
comment on function auth_private.hash_is_marked(text) is
  'Whether the hash is one of password_hash(), and not of the password itself.';
comment on function auth_private.hash_is_current(text) is
  'Whether the hash is one of password_hash() at today''s cost.';
comment on function auth_private.unmatchable_hash(integer) is
  'A hash of this cost that stands for no password, to do the work of a check without one.';
comment on function auth_private.password_matches(text, text) is
  'Whether the password belongs to the hash, with equal work whatever they are, a null hash included.';
comment on function auth_private.announce_hash(text) is
  'Lets this transaction write this very hash to auth.user as it is; refuses what is not bcrypt (23514).';
comment on function auth_private.hash_is_announced(text) is
  'Whether this very value was announced as a hash in this transaction.';
comment on function auth_private.strengthen_hash(uuid, text) is
  'Stores a new hash of today''s cost for a password just checked; ends no session.';
comment on function auth_private.set_own_password(uuid, text) is
  'Stores a hash; which sessions end is up to the caller.';
comment on function auth_private.tg_user__password() is
  'Stores the bcrypt hash of a plain password, or refuses it (23514); no message ever holds the value.';
comment on trigger user_300_password on auth.user is
  'After the other checks, as it is the most expensive.';

reset role;
