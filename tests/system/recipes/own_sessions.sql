-- Sessions of one's own, in the schema `auth`: a change of the password gives the caller a new session.
create schema api;
create schema auth;
grant usage on schema api, auth to anon, basic_subscriber;
create table api.note (body text);
insert into api.note values ('private');
grant select on api.note to basic_subscriber;

create table auth.session (
  id uuid primary key default gen_random_uuid(),
  refresh uuid unique not null default gen_random_uuid(),
  subject text not null
);
create table auth.call (at timestamptz default clock_timestamp(), cookies json, claims json);

create function auth.send_cookies(held auth.session) returns void language plpgsql as $$
begin
  perform set_config('response.headers', json_build_array(
    json_build_object('Set-Cookie', 'access_token=' || sign(json_build_object(
      'role', 'basic_subscriber', 'sub', held.subject, 'sid', held.id, 'exp', extract(epoch from now()) + 600
    ), current_setting('app.jwt_secret')) || '; Path=/; Max-Age=600'),
    json_build_object('Set-Cookie', 'refresh_token=' || held.refresh || '; Path=/; Max-Age=86400')
  )::text, true);
end $$;

create function auth.presented() returns auth.session language plpgsql as $$
declare
  held auth.session;
begin
  select * into held from auth.session
    where refresh::text = current_setting('request.cookies')::json ->> 'refresh_token';
  if held.id is null then
    raise sqlstate 'PT401' using message = 'Sign in to continue';
  end if;
  return held;
end $$;

create function auth.login(user_ text, pass text) returns void language plpgsql security definer as $$
declare
  held auth.session;
begin
  insert into auth.session (subject) values (user_) returning * into held;
  perform auth.send_cookies(held);
end $$;

create function auth.refresh_token() returns void language plpgsql security definer as $$
declare
  held auth.session := auth.presented();
begin
  if held.subject = 'slow' then
    perform pg_sleep(1);
  end if;
  update auth.session set refresh = gen_random_uuid() where id = held.id returning * into held;
  perform auth.send_cookies(held);
end $$;

create function auth.change_password(old text, new text) returns void
language plpgsql security definer as $$
declare
  held auth.session := auth.presented();
begin
  insert into auth.call (cookies, claims)
    values (current_setting('request.cookies')::json, current_setting('request.jwt.claims')::json);
  if old <> 'right' then
    raise sqlstate 'PT401' using message = 'Invalid password';
  end if;
  delete from auth.session where id = held.id;
  insert into auth.session (subject) values (held.subject) returning * into held;
  perform auth.send_cookies(held);
end $$;

create function auth.logout() returns void language plpgsql security definer as $$
begin
  delete from auth.session
    where refresh::text = current_setting('request.cookies')::json ->> 'refresh_token';
  perform set_config('response.headers', '[{"Set-Cookie": "access_token=; Path=/; Max-Age=0"}]', true);
end $$;
