-- What a request looks like from inside Postgres: for tests of what crosses the gateway.

create function api.seen() returns json language sql stable as $$
  select json_build_object(
    'headers', current_setting('request.headers')::json,
    'cookies', current_setting('request.cookies')::json,
    'role', current_user);
$$;
create function api.setting(name text) returns text language sql stable as $$
  select current_setting(name, true);
$$;
create function api.length_of(body text) returns integer language sql immutable as $$
  select length(body);
$$;
grant execute on function api.seen(), api.setting(text), api.length_of(text) to anon, basic_subscriber;
