-- The facts of a request: settings that PostgREST or the gateway pass with set_config.
--
-- A placeholder setting reads as '' and not as null once a pooled connection has seen it, and a client
-- chooses what is in request.cookies: `current_setting(...)::json` throws on both. These never do.
-- The address of the client is what the gateway says (app.settings.client_address): it alone knows which
-- proxies to believe. Straight through PostgREST there is none, as any client may write X-Forwarded-For.
-- Address and user agent are shown to people later: characters that are invisible, move the cursor or turn
-- text around are taken out, and the rest is cut, as a header may have kilobytes.
--
-- Grants: none.
-- Attacker: a request that made these throw would be a 400 or 500 instead of a plain rejection; a client
-- chooses its user agent.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.setting(name text, fallback text default null) returns text
  language sql stable
  return coalesce(nullif(current_setting(name, true), ''), fallback);

create or replace function auth_private.json_setting(name text) returns jsonb
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  return auth_private.setting(name)::jsonb;
exception
  -- not JSON, \u0000, or nested beyond the stack: the same as not sent
  when data_exception or program_limit_exceeded then
    return null;
end
$$;

create or replace function auth_private.canonical_uuid(value text) returns uuid
  language sql immutable
  -- Lower case alone, as Postgres writes it: of two spellings of one id, a gateway's list would know one
  return substring(value from '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$')::uuid;

create or replace function auth_private.refuse_read_only() returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- PostgREST calls the same functions for GET in a read-only transaction: without this, GET would
  -- be a password oracle that writes passwords into access logs, and an <img> could sign people out
  if current_setting('transaction_read_only')::boolean then
    raise read_only_sql_transaction using message = 'This function is called with POST';
  end if;
end
$$;

create or replace function auth_private.legible(value text, length integer) returns text
  language sql immutable
  return nullif(btrim(left(
    regexp_replace(
      left(value, 8 * length), -- more is not worth reading
      '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]',
      '', 'g'
    ),
    length
  )), '');

create or replace function auth_private.legible_address(value text) returns text
  language sql immutable
  return auth_private.legible(value, 64);

create or replace function auth_private.legible_user_agent(value text) returns text
  language sql immutable
  return auth_private.legible(value, 256);

create or replace function auth_private.client_address() returns text
  language sql stable
  return auth_private.legible_address(auth_private.setting('app.settings.client_address'));

create or replace function auth_private.client_user_agent() returns text
  language sql stable
  return auth_private.legible_user_agent(auth_private.json_setting('request.headers') ->> 'user-agent');

comment on function auth_private.setting(text, text) is
  'A setting as text, or the fallback where it is missing or empty.';
comment on function auth_private.json_setting(text) is
  'A setting as JSON, or null where it is missing, empty or malformed.';
comment on function auth_private.canonical_uuid(text) is
  'The UUID, or null if the text is not one in the spelling of Postgres.';
comment on function auth_private.refuse_read_only() is
  'Raises 25006 (405 in HTTP) in a read-only transaction.';
comment on function auth_private.legible(text, integer) is
  'Text of a stranger, fit to be shown: so many characters at most, none invisible; null if nothing is left.';
comment on function auth_private.legible_address(text) is
  'An address as it is recorded: 64 characters at most.';
comment on function auth_private.legible_user_agent(text) is
  'A user agent as it is recorded: 256 characters at most.';
comment on function auth_private.client_address() is
  'The address of the client, or null where it is unknown.';
comment on function auth_private.client_user_agent() is
  'What the client calls itself, or null.';

reset role;
