-- The identity of the caller: for clients, and for your own functions and row level security policies.
--
-- From the claims that PostgREST or the gateway verified, and from nothing else. Outside of a request there
-- are none, and all say null instead of failing. An auth function runs as the anonymous role, which `role`
-- in its claims names; the role of the caller's access token is in app.settings.caller_role, which the
-- gateway alone sets. auth.user_id() and auth.username() are no definer functions and can be inlined:
--   create policy own on todo using (owner = (select auth.user_id()));
-- auth.me() also looks for the session of the claims: its id is what auth.end_session() takes, and may be
-- another than the claim `sid`.
--
-- Grants: execute to anon and to signed_in.
-- Attacker: learns what their own token says, and when its session ends.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth.user_id() returns uuid
  language sql stable parallel safe
  return substring(
    nullif(current_setting('request.jwt.claims', true), '')::json ->> 'sub'
    from '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$'
  )::uuid;

create or replace function auth.username() returns text
  language sql stable parallel safe
  return nullif(current_setting('request.jwt.claims', true), '')::json ->> 'username';

create or replace function auth.me() returns json
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims constant jsonb := auth_private.json_setting('request.jwt.claims');
  v_session auth.session;
begin
  select s.* into v_session from auth.session as s where s.id = auth_private.claimed_session();
  return json_build_object(
    'id', v_claims ->> 'sub',
    'username', v_claims ->> 'username',
    'email', v_claims ->> 'email',
    'role', coalesce(auth_private.setting('app.settings.caller_role'), v_claims ->> 'role'),
    'amr', v_claims -> 'amr',
    'aal', v_claims -> 'aal',
    'auth_time', v_claims -> 'auth_time',
    'session', v_session.id,
    'expires_at', v_session.expires_at
  );
end
$$;

grant execute on function auth.user_id(), auth.username(), auth.me() to anon, signed_in;

comment on function auth.user_id() is
  'The id of the caller, or null for a client without a session, or whose subject is no UUID.';
comment on function auth.username() is
  'The user name of the caller, or null for a client without a session.';
comment on function auth.me() is
  'The caller: subject, user name, address, Postgres role, how and when signed in, and the session and its '
  'end. What the access token does not say is null; without a session, all but the role.';

reset role;
