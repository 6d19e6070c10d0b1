-- Who is asking: for clients, and for your own functions and row level security policies.
--
-- From the claims that PostgREST or the gateway verified, and from nothing else. Outside of a request there
-- are none, and both say null instead of failing. An auth function runs as the anonymous role, which `role`
-- in its claims names; the role of the caller's access token is in app.settings.caller_role, which the
-- gateway alone sets. Not definer functions, and auth.username() can be inlined:
--   create policy own on todo using (owner = (select auth.username()));
--
-- Grants: execute to anon and to signed_in.
-- Attacker: learns what their own token says.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth.username() returns text
  language sql stable parallel safe
  return nullif(current_setting('request.jwt.claims', true), '')::json ->> 'username';

create or replace function auth.me() returns json
  language sql stable parallel safe
  return json_build_object(
    'username', auth.username(),
    'role', coalesce(
      nullif(current_setting('app.settings.caller_role', true), ''),
      nullif(current_setting('request.jwt.claims', true), '')::json ->> 'role'
    )
  );

grant execute on function auth.username(), auth.me() to anon, signed_in;

comment on function auth.username() is
  'The user name of the caller, or null for a client without a session.';
comment on function auth.me() is
  'The caller: user name (null without a session) and Postgres role.';

reset role;
