-- How a session begins, once it is proven whose it is: of a user, or of a subject without a row in auth.user.
--
-- A subject that is the id of a user is rejected for a session without a user: disabling the user, or another
-- role, would not reach it.
--
-- Grants: none.
-- Attacker: a role that may execute these is anyone, with any assignable role.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.begin_session(session auth.session) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims constant jsonb := auth_private.session_claims(session);
  v_first record;
begin
  if v_claims is null then
    raise sqlstate 'PT401' using message = 'Sign in to continue'; -- as at the next refresh
  end if;
  select t.* into v_first from auth_private.issue_refresh_token(session) as t;
  perform auth_private.send_cookies(
    auth_private.mint_access_token(v_claims, v_first.expires_at, auth_private.token_proof(v_first.token)),
    v_first.token,
    v_first.expires_at
  );
  perform auth_private.record_session_event('sign_in', session);
  perform auth_private.end_sessions_beyond_cap(session.subject);
  perform auth_private.after_sign_in(session.id);
  -- Sessions before their tokens, as everywhere
  perform auth_private.prune_sessions();
  perform auth_private.prune_refresh_tokens();
  perform auth_private.prune_ended_sessions();
  perform auth_private.prune_events();
end
$$;

create or replace function auth_private.start_session(user_id uuid, amr text[], claims jsonb default '{}')
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform from auth.user as u where u.id = start_session.user_id for no key update;
  if not found then
    raise sqlstate 'PT401' using message = 'Sign in to continue';
  end if;
  perform auth_private.begin_session(
    auth_private.open_session(user_id, user_id::text, null, claims, amr)
  );
end
$$;

create or replace function auth_private.start_foreign_session(
  subject text,
  role text,
  claims jsonb,
  amr text[]
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not auth_private.role_is_assignable(start_foreign_session.role) then
    raise foreign_key_violation using
      message = 'the role does not exist or may not be given to a session',
      hint = 'Create it first; it must not lead to a superuser, to a role that creates roles, to a '
             'pg_* role, or to auth_owner, authenticator or gateway.',
      schema = 'auth', table = 'session', column = 'role';
  end if;
  perform auth_private.hold_subject(subject);
  if exists (select from auth.user as u where u.id = auth_private.canonical_uuid(subject)) then
    raise check_violation using
      message = 'the subject is the id of a user',
      hint = 'Start a session for the user with auth_private.start_session.',
      schema = 'auth', table = 'session', column = 'subject';
  end if;
  perform auth_private.begin_session(auth_private.open_session(null, subject, role, claims, amr));
end
$$;

comment on function auth_private.begin_session(auth.session) is
  'Sends the cookies of a session that was just opened, and ends those beyond the cap. The caller holds the '
  'subject. Raises PT401 if its user is disabled, or the role may not be given.';
comment on function auth_private.start_session(uuid, text[], jsonb) is
  'Starts a session for a user whose identity is proven, and sends its cookies: `amr` says how it was proven '
  '(RFC 8176). Raises PT401 if the user is disabled, or the role may not be given.';
comment on function auth_private.start_foreign_session(text, text, jsonb, text[]) is
  'Starts a session for a subject without a user, with this role and these claims, and sends its cookies. '
  'Refuses a role that may not be given (23503), and the id of a user (23514).';

reset role;
