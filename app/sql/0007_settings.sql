-- Reading what PostgREST or the gateway hands over with set_config, without ever failing on it.
--
-- A placeholder setting reads as '' and not as null once a pooled connection has seen it, and what a
-- client sends in a cookie ends up in request.cookies: `current_setting(...)::json` throws on both.
--
-- Grants: nothing, to nobody.
-- Attacker: a request that made these throw would be a 400 or 500 instead of a plain refusal.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (7, '0007_settings');

set local role auth_owner;

create function auth_private.setting(name text, fallback text default null) returns text
  language sql stable
  return coalesce(nullif(current_setting(name, true), ''), fallback);

create function auth_private.json_setting(name text) returns jsonb
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

create function auth_private.refuse_read_only() returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- PostgREST answers GET with the same functions in a read-only transaction: without this, GET would
  -- be a password oracle that writes passwords into access logs, and an <img> could sign people out
  if current_setting('transaction_read_only')::boolean then
    raise read_only_sql_transaction using message = 'This function is called with POST';
  end if;
end
$$;

comment on function auth_private.setting(text, text) is
  'A setting as text, or the fallback where it is missing or empty.';
comment on function auth_private.json_setting(text) is
  'A setting as JSON, or null where it is missing, empty or malformed.';
comment on function auth_private.refuse_read_only() is
  'Raises 25006 (405 in HTTP) in a read-only transaction.';

reset role;
