-- The extension pgcrypto: bcrypt, HMAC and random bytes. Where it is installed already, it stays;
-- otherwise it gets the schema `extensions`. No other file depends on where it lives
-- (routines/10_cryptography.sql).
--
-- It comes before the default privileges (0004), which would else close its functions to `public`.
--
-- Grants: to auth_owner the use of that schema and of the four functions needed, if it lacks them.
-- Attacker: a login that may create schemas could own `extensions` beforehand and drop what is in it: such a
-- schema is rejected.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (3, '0003_pgcrypto');

do $$
declare
  v_schema name;
  v_function text;
begin
  if not exists (select from pg_extension as e where e.extname = 'pgcrypto') then
    create schema if not exists extensions;
    if exists (
      select
        from pg_namespace as n
        join pg_roles as r on r.oid = n.nspowner
       where n.nspname = 'extensions' and not r.rolsuper and r.rolname <> current_user
    ) then
      raise invalid_schema_definition using
        message = 'the schema extensions belongs to a role that is no superuser and does not migrate',
        hint = 'Install pgcrypto into a schema that you trust, or give extensions an owner that you trust: '
               'alter schema extensions owner to ...';
    end if;
    comment on schema extensions is 'Extensions, kept out of `public`.';
    create extension pgcrypto with schema extensions;
  end if;

  select n.nspname
    into v_schema
    from pg_extension as e
    join pg_namespace as n on n.oid = e.extnamespace
   where e.extname = 'pgcrypto';

  -- Asked first, and not just granted: where the extension is the superuser's, the role that migrates may
  -- not be able to grant, and seldom needs to
  if not has_schema_privilege('auth_owner', v_schema, 'usage') then
    execute format('grant usage on schema %I to auth_owner', v_schema);
  end if;
  foreach v_function in array array[
    'crypt(text, text)', 'gen_salt(text, integer)', 'gen_random_bytes(integer)', 'hmac(bytea, bytea, text)'
  ] loop
    v_function := format('%I.%s', v_schema, v_function);
    if not has_function_privilege('auth_owner', v_function, 'execute') then
      execute format('grant execute on function %s to auth_owner', v_function);
    end if;
  end loop;
end
$$;
