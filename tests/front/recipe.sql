-- Users, sessions and tokens as the known recipes have them, none of it hardened: what somebody comes from.

do $$ begin -- roles are the cluster's, and this is for each of its databases
  create role anon nologin;
  create role authenticator login noinherit;
  create role basic_subscriber nologin;
exception when duplicate_object then null;
end $$;
grant anon, basic_subscriber to authenticator;
alter default privileges revoke execute on functions from public;

create extension pgcrypto;
create schema auth;
create schema api;
grant usage on schema auth to anon;
grant usage on schema api to anon, basic_subscriber;

create table auth.user (
  username text primary key check (length(username) >= 3),
  password text not null check (length(password) < 512),
  role name not null
);
create table auth.refresh_token (
  created_at timestamp not null default now(),
  token text not null,
  username text not null
);

create function auth.hash_password() returns trigger language plpgsql as $$
begin
  new.password := crypt(new.password, gen_salt('bf'));
  return new;
end $$;
create trigger hash_password before insert or update on auth.user
  for each row execute function auth.hash_password();
insert into auth.user values ('demo', 'demo', 'basic_subscriber'), ('alice', 'alice', 'basic_subscriber');

create function auth.url_encode(data bytea) returns text language sql immutable as $$
  select translate(encode(data, 'base64'), E'+/=\n', '-_');
$$;

create function auth.sign_raw(payload json, secret text) returns text language sql immutable as $$
  with head as (
    select auth.url_encode('{"alg":"HS256","typ":"JWT"}') || '.'
      || auth.url_encode(convert_to(payload::text, 'utf8')) as text
  )
  select text || '.' || auth.url_encode(hmac(text::bytea, decode(secret, 'base64'), 'sha256')) from head;
$$;

create function auth.generate_access_token(username_ text, role_ name) returns text language sql as $$
  select auth.sign_raw(
    json_build_object(
      'role', role_, 'username', username_, 'sub', username_, 'exp', extract(epoch from now())::integer + 600),
    current_setting('pgrst.jwt_secret'));
$$;

create function auth.login(user_ text, pass text) returns void language plpgsql security definer as $$
declare
  found_ auth.user;
  token_ text := gen_random_uuid();
begin
  select * into found_ from auth.user where username = user_ and password = crypt(pass, password);
  if found_.username is null then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;
  insert into auth.refresh_token (token, username) values (token_, found_.username);
  perform set_config('response.headers', format(
    '[{"Set-Cookie": "access_token=%s; path=/; HttpOnly;"},'
    ' {"Set-Cookie": "refresh_token=%s; path=/rpc/refresh_token; HttpOnly;"}]',
    auth.generate_access_token(found_.username, found_.role), token_), true);
end $$;

create function auth.refresh_token() returns void language plpgsql security definer as $$
declare
  found_ auth.user;
begin
  select u.* into found_ from auth.refresh_token as t join auth.user as u using (username)
   where t.token = current_setting('request.cookies', true)::json->>'refresh_token'
     and t.created_at > now() - interval '30 days';
  if found_.username is null then
    raise sqlstate 'PT401' using message = 'Invalid or expired refresh token';
  end if;
  perform set_config('response.headers', format(
    '[{"Set-Cookie": "access_token=%s; path=/; HttpOnly;"}]',
    auth.generate_access_token(found_.username, found_.role)), true);
end $$;

create function auth.logout() returns void language plpgsql as $$
begin
  perform set_config('response.headers',
    '[{"Set-Cookie": "access_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"},'
    ' {"Set-Cookie": "refresh_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"}]', true);
end $$;
grant execute on function auth.login(text, text), auth.refresh_token(), auth.logout() to anon;

create table api.todo (
  id bigint generated always as identity primary key,
  username text not null default current_setting('request.jwt.claims', true)::json->>'username',
  title text not null
);
alter table api.todo enable row level security;
create policy own on api.todo to basic_subscriber
  using (username = current_setting('request.jwt.claims', true)::json->>'username');
grant select, insert, update, delete on api.todo to basic_subscriber;
insert into api.todo (username, title) values ('demo', 'move'), ('alice', 'stay');
