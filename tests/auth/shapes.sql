-- One function for every shape an auth function can take: what it returns, how it fails, what it
-- asks of the response, what it can be given. All in the schema of the recipes.

create schema internal;
create role visitor nologin; -- called as instead of anon where the settings of a role matter
grant visitor to gateway;
grant usage on schema auth to visitor;
alter default privileges in schema auth grant execute on functions to anon;

-- How a function fails

create function auth.pt402() returns void language plpgsql as $$
begin
  raise sqlstate 'PT402' using
    message = 'Payment Required', detail = 'Quota exceeded', hint = 'Upgrade your plan';
end $$;

create function auth.pt401nomsg() returns void language plpgsql as $$
begin
  raise sqlstate 'PT401';
end $$;

create function auth.raise_state(state text, message text) returns void language plpgsql as $$
begin
  raise exception using errcode = state, message = message, detail = 'd', hint = 'h';
end $$;

create function auth.raise_pgrst(message text, detail text) returns void language plpgsql as $$
begin
  raise sqlstate 'PGRST' using message = message, detail = detail;
end $$;

create function auth.raise_plain() returns void language plpgsql as $$
begin
  raise exception 'plain' using detail = 'd', hint = 'h';
end $$;

create function auth.raise_invpw() returns void language plpgsql as $$
begin
  raise invalid_password using message = 'invalid user or password';
end $$;

create function auth.err_in_tx() returns void language plpgsql as $$
begin
  perform set_config('response.headers', '[{"Set-Cookie":"a=1"}]', true);
  raise sqlstate 'PT403' using message = 'nope';
end $$;

create function auth.rethrown() returns void language plpgsql as $$
begin
  perform 1 / 0;
exception when division_by_zero then
  raise;
end $$;

create function auth.undefined() returns void language plpgsql as $$
begin
  perform no_such_function('secret-value');
end $$;

create function auth.ambiguous() returns void language plpgsql as $$
declare
  username text;
begin
  select username into username from auth.user;
end $$;

create function auth.duplicate(token text) returns void
language plpgsql security definer as $$
begin
  insert into auth.refresh_token (token, username) values (token, 'demo'), (token, 'demo');
end $$;

create function auth.broken_reference(token text) returns void
language sql security definer as $$
  insert into auth.refresh_token (token, username) values (token, 'nobody');
$$;

create function auth.writes_as_stable() returns void
language plpgsql stable security definer as $$
begin
  execute $query$insert into auth.refresh_token (username) values ('demo')$query$;
end $$;

create function auth.no_table() returns void language plpgsql as $$
begin
  perform 1 from auth.missing;
end $$;

create function auth.too_slow() returns void
  language sql set statement_timeout = '50ms' as 'select pg_sleep(10)';

create function auth.forbidden() returns void language sql as 'select 1';
revoke execute on function auth.forbidden() from anon;

create table auth.deferred (
  id int primary key,
  parent int references auth.deferred deferrable initially deferred
);

create function auth.fails_at_commit() returns void language plpgsql security definer as $$
begin
  perform set_config('response.headers', '[{"Set-Cookie":"a=1"}]', true);
  insert into auth.deferred values (1, 2);
end $$;

-- What a function asks of the response

create function auth.hdr(h text) returns void language plpgsql as $$
begin
  perform set_config('response.headers', h, true);
end $$;

create function auth.hdr_json(h text) returns json language plpgsql as $$
begin
  perform set_config('response.headers', h, true);
  return '{"a":1}';
end $$;

create function auth.st(s text) returns json language plpgsql as $$
begin
  perform set_config('response.status', s, true);
  return '{"a":1}';
end $$;

create function auth.st_void(s text) returns void language plpgsql as $$
begin
  perform set_config('response.status', s, true);
end $$;

create function auth.leaves_marks() returns void language plpgsql as $$
begin
  perform set_config('response.headers', '[{"X-Leaked":"1"}]', false);
  perform set_config('response.status', '418', false);
  perform set_config('app.mark', 'left', false);
  set role anon;
end $$;

-- What a function returns

create type auth.comp_type as (token text);
create domain auth.comp_domain as auth.comp_type;
create table auth.thing (a int, b text);
insert into auth.thing values (1, 'x'), (2, null);
grant select on auth.thing to anon;

create function auth.scalar_int(a int default 1) returns int
  language sql immutable as 'select a';
create function auth.scalar_text(a text) returns text language sql immutable as 'select a';
create function auth.scalar_null() returns text language sql as 'select null::text';
create function auth.scalar_json(a json) returns json language sql as 'select a';
create function auth.scalar_jsonb(a jsonb) returns jsonb language sql as 'select a';
create function auth.scalar_array() returns int[] language sql as 'select array[1, 2]';
create function auth.scalar_time() returns timestamptz
  language sql as $$ select '2026-01-02 03:04:05+00'::timestamptz $$;
create function auth.spaced() returns json
  language sql as $$ select '{"a" : 1,   "b":"é"}'::json $$;
create function auth.retnull() returns json language sql as 'select null::json';
create function auth.comp() returns auth.comp_type
  language sql as $$ select row('tok')::auth.comp_type $$;
create function auth.comp_of_domain() returns auth.comp_domain
  language sql as $$ select row('tok')::auth.comp_type::auth.comp_domain $$;
create function auth.comp_null() returns auth.comp_type
  language sql as 'select null::auth.comp_type';
create function auth.table_row() returns auth.thing language sql as 'select * from auth.thing limit 1';
create function auth.no_row() returns auth.thing
  language sql as 'select * from auth.thing where false';
create function auth.setof_comp() returns setof auth.comp_type
  language sql as $$ values (row('t1')::auth.comp_type), (row('t2')::auth.comp_type) $$;
create function auth.setof_table() returns setof auth.thing language sql as 'table auth.thing';
create function auth.setof_int() returns setof int language sql as 'values (1), (2), (3)';
create function auth.setof_json() returns setof json
  language sql as $$ values ('{"a": 1}'::json), ('2') $$;
create function auth.setof_none() returns setof int language sql as 'select 1 where false';
create function auth.tbl() returns table (a int, b text)
  language sql as $$ select 1, 'x'::text $$;
create function auth.out_one(n int, out token text)
  language sql as $$ select 'tok' || n $$;
create function auth.out_two(out a int, out b text) language sql as $$ select 1, 'x' $$;
create function auth.in_out(inout a int) language sql as 'select a + 1';
create function auth.void_set() returns setof void language sql as 'select 1';

-- What a function takes

create function auth.jsonarg(json) returns json language sql as 'select $1';
create function auth.jsonbarg(jsonb) returns jsonb language sql as 'select $1';
create function auth.textarg(text) returns text language sql as 'select $1';
create function auth.byteaarg(bytea) returns text language sql as $$ select encode($1, 'hex') $$;
create function auth.xmlarg(xml) returns text language sql as 'select $1::text';
create function auth.mixed(t text, n int, f boolean, j jsonb, l int[], d date, c char(3))
  returns json language sql as 'select json_build_array(t, n, f, j, l, d, c)';
create function auth.many(variadic v text[]) returns text[] language sql as 'select v';
create function auth.many_int(a text, variadic v int[]) returns int[] language sql as 'select v';
create function auth.optional(a text, b text default 'B', c text default 'C') returns text
  language sql as 'select a || b || c';
create function auth.typed(a int) returns text language sql as $$ select 'int' $$;
create function auth.typed(a text) returns text language sql as $$ select 'text' $$;
create function auth."Strange ""Näme"""("sel;ect" text, "a""b" text) returns text
  language sql as $$ select "sel;ect" || "a""b" $$;
create function auth.of_row(thing auth.thing) returns text language sql as 'select thing.b';
create procedure auth.not_a_function() language sql as 'select 1';
create function auth.a_trigger() returns trigger language plpgsql as 'begin return new; end';
create function internal.hidden() returns text language sql as $$ select 'hidden' $$;
create function public.outside() returns text language sql as $$ select 'outside' $$;
grant execute on function public.outside() to anon;

-- What a function sees

create function auth.ctx() returns json language sql volatile as $$
  select json_build_object(
    'role', current_user,
    'claims', current_setting('request.jwt.claims', true),
    'headers', current_setting('request.headers', true)::json,
    'cookies', current_setting('request.cookies', true)::json,
    'method', current_setting('request.method', true),
    'path', current_setting('request.path', true),
    'search_path', current_setting('search_path'),
    'secret', current_setting('app.settings.jwt_secret', true),
    'iso', current_setting('transaction_isolation'),
    'ro', current_setting('transaction_read_only'),
    'spec', current_setting('request.spec', true),
    'mark', nullif(current_setting('app.mark', true), ''))
$$;
create function auth.cookie(name text) returns text language sql as $$
  select current_setting('request.cookies', true)::json->>name
$$;
create function auth.header(name text) returns text language sql as $$
  select current_setting('request.headers', true)::json->>name
$$;
create function auth.ro_stable() returns text
  language sql stable as $$ select current_setting('transaction_read_only') $$;
create function auth.ro_volatile() returns text
  language sql volatile as $$ select current_setting('transaction_read_only') $$;
create function auth.timeouts() returns text
  language sql as $$ select current_setting('statement_timeout') $$;
create function auth.timeouts_own() returns text
  language sql set statement_timeout = '7s'
  as $$ select current_setting('statement_timeout') $$;
create function auth.isolated() returns text
  language sql set default_transaction_isolation = 'serializable'
  as $$ select current_setting('transaction_isolation') $$;
create function auth.slow(seconds float) returns void language sql as 'select pg_sleep(seconds)';
