-- The six primitives everything else is made of, each in one place.
--
-- The bodies are parsed here and bound to pgcrypto's functions by identity: no search_path can divert
-- them, `alter extension pgcrypto set schema` does not break them, and pgcrypto cannot be dropped from
-- under them unnoticed. pgcrypto may be in a schema where other logins create functions, `public` included:
-- arguments are cast to the very types of its functions, so that no planted overload fits better, and each
-- of the four must be a member of the extension.
--
-- Grants: none.
-- Attacker: nothing to gain: there are no secrets in here.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

do $$
declare
  v_schema constant name := (
    select n.nspname
      from pg_extension as e
      join pg_namespace as n on n.oid = e.extnamespace
     where e.extname = 'pgcrypto'
  );
  v_function text;
begin
  foreach v_function in array array[
    'crypt(text, text)', 'gen_salt(text, integer)', 'gen_random_bytes(integer)', 'hmac(bytea, bytea, text)'
  ] loop
    if not exists (
      select
        from pg_depend as d
        join pg_extension as e on e.oid = d.refobjid
       where d.classid = 'pg_proc'::regclass
         and d.objid = to_regprocedure(format('%I.%s', v_schema, v_function))
         and d.refclassid = 'pg_extension'::regclass
         and d.deptype = 'e'
         and e.extname = 'pgcrypto'
    ) then
      raise undefined_function using message = format('pgcrypto has no function %s', v_function);
    end if;
  end loop;

  execute format($create$
    create or replace function auth_private.random_bytes(amount integer) returns bytea
      language sql volatile strict
      return %I.gen_random_bytes(amount)
  $create$, v_schema);

  execute format($create$
    create or replace function auth_private.hmac_sha256(message bytea, key bytea) returns bytea
      language sql immutable strict
      return %I.hmac(message, key, 'sha256'::text)
  $create$, v_schema);

  execute format($create$
    create or replace function auth_private.bcrypt(password text, salt text) returns text
      language sql immutable strict
      return %I.crypt(password, salt)
  $create$, v_schema);

  execute format($create$
    create or replace function auth_private.bcrypt_salt(cost integer) returns text
      language sql volatile strict
      return %I.gen_salt('bf'::text, cost)
  $create$, v_schema);
end
$$;

-- Compared as MACs under a random key, so that the time tells nothing of how much is equal
create or replace function auth_private.equals_in_constant_time(one text, other text) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant bytea := auth_private.random_bytes(32);
begin
  return coalesce(
    auth_private.hmac_sha256(convert_to(one, 'UTF8'), v_key)
      = auth_private.hmac_sha256(convert_to(other, 'UTF8'), v_key),
    false
  );
end
$$;

create or replace function auth_private.base64url(data bytea) returns text
  language sql immutable strict
  return rtrim(translate(encode(data, 'base64'), E'+/\n', '-_'), '=');

comment on function auth_private.random_bytes(integer) is
  'So many bytes from the operating system''s generator.';
comment on function auth_private.hmac_sha256(bytea, bytea) is
  'HMAC-SHA-256 (RFC 2104) of the message under the key.';
comment on function auth_private.bcrypt(text, text) is
  'bcrypt of the password under a salt, or under a finished hash, whose salt and cost it then takes. '
  'Only the first 72 bytes of a password count: callers refuse longer ones.';
comment on function auth_private.bcrypt_salt(integer) is
  'A fresh $2a$ salt of this cost.';
comment on function auth_private.equals_in_constant_time(text, text) is
  'Whether both are the same, in a time that does not depend on where they differ; false for null.';
comment on function auth_private.base64url(bytea) is
  'base64url without padding (RFC 7515 section 2).';

reset role;
