-- The two logins with their passwords, once, before the first `postgate migrate`: that one makes roles
-- without a password, and never changes a role that is there.
--
-- Run by the image of Postgres as its superuser when the data folder is empty, and never again.
-- Grants: nothing. Memberships come with the migrations.

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

-- A statement that fails would be logged, and the password in it
set log_min_error_statement = panic;
set log_statement = none;

create role authenticator login noinherit password :'authenticator_password';
create role gateway login noinherit password :'gateway_password';
