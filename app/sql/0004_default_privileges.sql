-- A new function is nobody's until it is granted.
--
-- PostgreSQL lets `public` execute every new function. With a schema exposed by PostgREST that means:
-- whoever may see the schema may call a helper that signs tokens. Revoked for the role that migrates
-- (as the known recipes do, so your own functions are closed as well) and for auth_owner. Without
-- `in schema`: the form with it can add to the default but cannot take from it.
--
-- Grants: nothing. From now on your own functions need `grant execute ... to ...`.
-- Attacker: without this, anon could call any helper that someone forgot to revoke.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (4, '0004_default_privileges');

alter default privileges revoke execute on functions from public;
alter default privileges for role auth_owner revoke execute on functions from public;
