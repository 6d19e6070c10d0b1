-- Which Postgres roles a user may be given.
--
-- The role of a user becomes the `role` claim, and PostgREST becomes that role. So it must exist, and
-- nothing it is a member of may be a superuser, able to create roles (which until PostgreSQL 15 is as
-- good), one of the server's own pg_* roles (pg_read_all_data reads the password hashes,
-- pg_execute_server_program runs a shell), or part of this machinery. `none` and `public` cannot be
-- roles at all. Asked again at every login and refresh, as a role can change after its user was made.
--
-- Grants: nothing, to nobody.
-- Attacker: who may insert into auth.user must not be able to make a token for the server's owner.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (9, '0009_assignable_roles');

set local role auth_owner;

create function auth_private.role_is_assignable(role text) returns boolean
  language sql stable
  return exists (
    select
      from pg_roles as r
     where r.rolname::text = role_is_assignable.role
       and not exists (
         select
           from pg_roles as reachable -- pg_has_role counts the role itself
          where pg_has_role(r.oid, reachable.oid, 'member')
            and (
              reachable.rolsuper
              or reachable.rolcreaterole
              or starts_with(reachable.rolname::text, 'pg_')
              or reachable.rolname in ('auth_owner', 'authenticator', 'gateway')
            )
       )
  );

comment on function auth_private.role_is_assignable(text) is
  'Whether a user may have this Postgres role: it exists, and cannot become anything with power over '
  'the server or over this schema.';

reset role;
