-- auth.issue_tokens(): a session for a person whom a service of the project has identified.
--
-- The recipe that has it calls it with the service's own token, and passes the cookies on to the browser.
--
-- Grants: none: grant it to the role of the service, and to no role that clients have.
-- Attacker: a role that may execute this is anyone without a row in auth.user, with any assignable role.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth.issue_tokens(
  subject text,
  role text default 'authenticated',
  claims jsonb default '{}'
) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.refuse_read_only();
  perform auth_private.jwt_key(); -- or the session could not be signed for
  perform auth_private.start_foreign_session(subject, role, claims, '{}');
end
$$;

comment on function auth.issue_tokens(text, text, jsonb) is
  'Starts a session for a subject without a user, and sends its cookies. For services of the project.';

reset role;
