-- The two schemas.
--
--   auth           what is called by name: the auth functions, and the tables of the known recipes.
--                  It may stand in PostgREST's db-schemas
--   auth_private   the machinery: hashing, signing, cookies. It must not be exposed, and nobody can
--                  reach into it if it is
--
-- A schema auth that is there already is kept, with all that is in it. Tables of a recipe are not: their
-- passwords and tokens do not meet the rules below, so taking them over silently would be worse than
-- stopping.
--
-- Grants: `usage` on auth to anon and signed_in. On auth_private nothing, to nobody.
-- Attacker: even with `execute` granted by mistake, a function in auth_private cannot be named.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (5, '0005_schemas');

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

create schema if not exists auth authorization auth_owner;
create schema auth_private authorization auth_owner;

grant usage, create on schema auth to auth_owner; -- for an auth that was there and is not its own
grant usage on schema auth to anon, signed_in;

comment on schema auth is
  'Login, logout and refresh for PostgREST: the functions clients call, and their tables.';
comment on schema auth_private is
  'The machinery behind the schema auth. Nobody but its owner has any right here.';
