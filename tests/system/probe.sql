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
grant execute on function api.seen(), api.setting(text) to anon, basic_subscriber;
