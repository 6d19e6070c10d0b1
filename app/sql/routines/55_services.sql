-- auth.issue_tokens(): a session for whom a service of the project's own has identified.
--
-- The recipe that has it calls it with the service's token, and passes the cookies on to the browser. The
-- subject needs no row in auth.user: such a session keeps the role and the claims that it is opened with, and
-- is rotated, listed, revoked and renewed like any other. A subject that is the id of a user is refused:
-- disabling the user, or another role, would not reach the session.
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
  if not auth_private.role_is_assignable(issue_tokens.role) then
    raise foreign_key_violation using
      message = 'the role does not exist or may not be given to a session',
      schema = 'auth', table = 'session', column = 'role';
  end if;
  perform auth_private.hold_subject(issue_tokens.subject);
  if exists (
    select from auth.user as u where u.id = auth_private.canonical_uuid(issue_tokens.subject)
  ) then
    raise check_violation using
      message = 'the subject is the id of a user',
      hint = 'Start a session for the user with auth_private.start_session.',
      schema = 'auth', table = 'session', column = 'subject';
  end if;
  perform auth_private.begin_session(
    auth_private.open_session(null, issue_tokens.subject, issue_tokens.role, issue_tokens.claims, '{}')
  );
end
$$;

comment on function auth.issue_tokens(text, text, jsonb) is
  'Starts a session for a subject without a user, and sends its cookies. For services of the project.';

reset role;
