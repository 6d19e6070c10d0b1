-- Where a request comes from: the address and the user agent, as sessions and events record them.
--
-- The address is what the gateway says (app.settings.client_address): it alone knows which proxies to
-- believe. Straight through PostgREST there is none; X-Forwarded-For is what anyone may write.
-- Both are shown to people later. So what moves a cursor, turns text around or is invisible is taken out,
-- and the rest is cut: a header may have kilobytes.
--
-- Grants: nothing, to nobody.
-- Attacker: chooses the user agent.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (22, '0022_clients');

set local role auth_owner;

create function auth_private.legible(value text, length integer) returns text
  language sql immutable
  return nullif(btrim(left(
    regexp_replace(
      left(value, 8 * length), -- more is not worth reading
      '[\u0001-\u001f\u007f-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]',
      '', 'g'
    ),
    length
  )), '');

create function auth_private.legible_address(value text) returns text
  language sql immutable
  return auth_private.legible(value, 64);

create function auth_private.legible_user_agent(value text) returns text
  language sql immutable
  return auth_private.legible(value, 256);

create function auth_private.client_address() returns text
  language sql stable
  return auth_private.legible_address(auth_private.setting('app.settings.client_address'));

create function auth_private.client_user_agent() returns text
  language sql stable
  return auth_private.legible_user_agent(auth_private.json_setting('request.headers') ->> 'user-agent');

comment on function auth_private.legible(text, integer) is
  'Text of a stranger, fit to be shown: so many characters at most, none invisible; null if nothing is left.';
comment on function auth_private.legible_address(text) is
  'An address as it is recorded: 64 characters at most.';
comment on function auth_private.legible_user_agent(text) is
  'A user agent as it is recorded: 256 characters at most.';
comment on function auth_private.client_address() is
  'The address of the client, or null where nobody says it.';
comment on function auth_private.client_user_agent() is
  'What the client calls itself, or null.';

reset role;
