-- The two cookies: written to response.headers, read from request.cookies.
--
-- Both with Path=/ (a narrower refresh cookie would not reach logout, which could then not revoke it),
-- HttpOnly and SameSite=Lax. Secure when the client came by https as the proxy in front tells, so that
-- plain http still works on a developer's machine; app.settings.cookie_secure = true | false decides it.
-- The gateway adds what is missing on its own knowledge.
--
-- Grants: none.
-- Attacker: a client that lies about X-Forwarded-Proto marks its own cookie.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.access_cookie() returns text
  language sql stable
  return auth_private.setting('app.settings.access_cookie', 'access_token');

create or replace function auth_private.refresh_cookie() returns text
  language sql stable
  return auth_private.setting('app.settings.refresh_cookie', 'refresh_token');

create or replace function auth_private.cookies_are_secure() returns boolean
  language sql stable
  return
    case lower(auth_private.setting('app.settings.cookie_secure', 'auto'))
      when 'true' then true
      when 'false' then false
      else coalesce(
        lower(auth_private.json_setting('request.headers') ->> 'x-forwarded-proto') = 'https', false
      )
    end;

create or replace function auth_private.set_cookie_header(
  name text,
  value text,
  max_age integer,
  path text default '/'
) returns jsonb
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- RFC 6265 section 4.1.1, a token: anything else in a configured name would write attributes
  if name !~ '^[A-Za-z0-9!#$%&''*+.^_`|~-]+$' then
    raise config_file_error using message = 'the configured cookie name is not a valid cookie name';
  end if;
  return jsonb_build_object(
    'Set-Cookie',
    format('%s=%s; Path=%s; HttpOnly; SameSite=Lax; Max-Age=%s', name, value, path, max_age)
    || case when max_age = 0 then '; Expires=Thu, 01 Jan 1970 00:00:00 GMT' else '' end
    || case when auth_private.cookies_are_secure() then '; Secure' else '' end
  );
end
$$;

create or replace function auth_private.add_response_headers(variadic headers jsonb[]) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- What a db-pre-request function has set stays
  v_before constant jsonb := auth_private.json_setting('response.headers');
begin
  perform set_config(
    'response.headers',
    (case when jsonb_typeof(v_before) = 'array' then v_before else '[]' end || to_jsonb(headers))::text,
    true
  );
end
$$;

create or replace function auth_private.send_cookies(
  access text,
  refresh text,
  refresh_expires_at timestamptz
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_refresh_life constant integer := ceil(extract(epoch from refresh_expires_at - clock_timestamp()));
begin
  perform auth_private.add_response_headers(
    auth_private.set_cookie_header(
      auth_private.access_cookie(), access, least(auth_private.access_token_life(), v_refresh_life)
    ),
    auth_private.set_cookie_header(auth_private.refresh_cookie(), refresh, v_refresh_life)
  );
end
$$;

create or replace function auth_private.clear_cookies() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_name text;
  v_path text;
begin
  foreach v_name in array array[auth_private.access_cookie(), auth_private.refresh_cookie()] loop
    -- A cookie is deleted only under the path it was set with, and the known recipes use three
    foreach v_path in array array['/', '/rpc', '/rpc/refresh_token'] loop
      perform auth_private.add_response_headers(
        auth_private.set_cookie_header(v_name, '', 0, v_path)
      );
    end loop;
  end loop;
end
$$;

create or replace function auth_private.presented_refresh_token() returns text
  language sql stable
  return auth_private.json_setting('request.cookies') ->> auth_private.refresh_cookie();

comment on function auth_private.access_cookie() is
  'The name of the cookie with the access token.';
comment on function auth_private.refresh_cookie() is
  'The name of the cookie with the refresh token.';
comment on function auth_private.cookies_are_secure() is
  'Whether cookies get the attribute Secure.';
comment on function auth_private.set_cookie_header(text, text, integer, text) is
  'One element of response.headers; max_age in seconds, 0 deletes.';
comment on function auth_private.add_response_headers(jsonb[]) is
  'Appends to response.headers, for this transaction.';
comment on function auth_private.send_cookies(text, text, timestamptz) is
  'Sets both cookies.';
comment on function auth_private.clear_cookies() is
  'Deletes both cookies under every path they may have been set with.';
comment on function auth_private.presented_refresh_token() is
  'What the client sent as its refresh token, or null. Of two cookies of that name, the last.';

reset role;
