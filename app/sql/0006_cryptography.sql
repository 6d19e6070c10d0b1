-- The five primitives everything else is made of, each in one place.
--
-- The bodies are parsed here and bound to pgcrypto's functions by identity: no search_path can divert
-- them, `alter extension pgcrypto set schema` does not break them, and pgcrypto cannot be dropped from
-- under them unnoticed.
--
-- Grants: nothing, to nobody.
-- Attacker: nothing to gain: there are no secrets in here.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (6, '0006_cryptography');

set local role auth_owner;

do $$
declare
  v_schema constant name := (
    select n.nspname
      from pg_extension as e
      join pg_namespace as n on n.oid = e.extnamespace
     where e.extname = 'pgcrypto'
  );
begin
  execute format($create$
    create function auth_private.random_bytes(amount integer) returns bytea
      language sql volatile strict
      return %I.gen_random_bytes(amount)
  $create$, v_schema);

  execute format($create$
    create function auth_private.hmac_sha256(message bytea, key bytea) returns bytea
      language sql immutable strict
      return %I.hmac(message, key, 'sha256')
  $create$, v_schema);

  execute format($create$
    create function auth_private.bcrypt(password text, salt text) returns text
      language sql immutable strict
      return %I.crypt(password, salt)
  $create$, v_schema);

  execute format($create$
    create function auth_private.bcrypt_salt(cost integer) returns text
      language sql volatile strict
      return %I.gen_salt('bf', cost)
  $create$, v_schema);
end
$$;

create function auth_private.base64url(data bytea) returns text
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
comment on function auth_private.base64url(bytea) is
  'base64url without padding (RFC 7515 section 2).';

reset role;
