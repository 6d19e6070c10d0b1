-- Creates the two logins with their passwords, before the first `postgate migrate`, which would create them
-- without a password, and never changes an existing role.
--
-- The Postgres image runs it once, as its superuser, when the data folder is empty.
-- Grants: none. The migrations grant memberships.

\getenv authenticator_password AUTHENTICATOR_PASSWORD
\getenv gateway_password GATEWAY_PASSWORD

-- Or from files: docker/secrets.yml
\getenv authenticator_file AUTHENTICATOR_PASSWORD_FILE
\if :{?authenticator_file}
\set authenticator_password `cat "$AUTHENTICATOR_PASSWORD_FILE"`
\endif
\getenv gateway_file GATEWAY_PASSWORD_FILE
\if :{?gateway_file}
\set gateway_password `cat "$GATEWAY_PASSWORD_FILE"`
\endif

-- A failed statement would be logged with the password
set log_min_error_statement = panic;
set log_statement = none;

create role authenticator login noinherit password :'authenticator_password';
create role gateway login noinherit password :'gateway_password';
