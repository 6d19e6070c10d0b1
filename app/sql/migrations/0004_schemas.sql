-- The two schemas, and the rule that a new function may be executed only by roles it is granted to.
--
--   auth           what is called by name: the auth functions, and the tables of the known recipes.
--                  It may stand in PostgREST's db-schemas
--   auth_private   the machinery: hashing, signing, cookies. It must not be exposed, and no role can
--                  reach into it if it is
--
-- A schema auth that is there already is kept, with all that is in it. Tables of a recipe are not: their
-- passwords and tokens do not meet the rules here, so taking them over silently would be worse than
-- stopping.
--
-- PostgreSQL lets `public` execute every new function. With a schema exposed by PostgREST that means: a role
-- that may see the schema may call a helper that signs tokens. Revoked for the role that migrates (as the
-- known recipes do, so your own functions are closed as well) and for auth_owner. Without `in schema`: the
-- form with it can add to the default but cannot take from it.
--
-- Grants: `usage` on auth to anon, signed_in and gateway. On auth_private none. From now on your own
-- functions need `grant execute ... to ...`.
-- Attacker: even with `execute` granted by mistake, a function in auth_private cannot be named.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (4, '0004_schemas');

do $$
begin
  if to_regclass('auth.user') is not null or to_regclass('auth.refresh_token') is not null then
    raise duplicate_table using
      message = 'the schema auth already holds a table user or refresh_token of another origin',
      hint = 'Rename it first (alter schema auth rename to auth_old) and move the users over: '
             'docs/sql.md, "Coming from a recipe".';
  end if;
end
$$;

alter default privileges revoke execute on functions from public;
alter default privileges for role auth_owner revoke execute on functions from public;

create schema if not exists auth authorization auth_owner;
create schema auth_private authorization auth_owner;

grant usage, create on schema auth to auth_owner; -- for an auth that was there and is not its own
grant usage on schema auth to anon, signed_in, gateway;

comment on schema auth is
  'Login, logout and refresh for PostgREST: the functions clients call, and their tables.';
comment on schema auth_private is
  'The machinery behind the schema auth. Only its owner has any right here.';
