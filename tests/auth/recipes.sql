-- Auth functions as the known recipes write them, each with its own argument names, cookies and
-- ways to fail. They share names, so that a call must be told apart by its arguments alone.
-- Nothing here is hardened: people's own functions are not, and they must work unchanged.

create role anon nologin;
create role basic_subscriber nologin;
create role authenticator login noinherit;
create role gateway login noinherit;
grant anon to authenticator, gateway;

create extension pgcrypto;
create schema auth;
grant usage on schema auth to anon;
alter default privileges revoke execute on functions from public;

create table auth.user (
  username text primary key,
  email text unique,
  password text not null,
  role name not null
);
create table auth.refresh_token (
  token text primary key default gen_random_uuid()::text,
  username text not null references auth.user on delete cascade,
  created_at timestamptz not null default now()
);
insert into auth.user values
  ('demo', 'foo@bar.com', crypt('demo', gen_salt('bf', 4)), 'basic_subscriber'),
  ('carol', 'carol@bar.com', crypt('carol', gen_salt('bf', 4)), 'anon');

create function auth.url_encode(data bytea) returns text language sql immutable as $$
  select translate(encode(data, 'base64'), E'+/=\n', '-_');
$$;

create function auth.signed(payload json, secret text) returns text language sql immutable as $$
  with head as (
    select auth.url_encode('{"alg":"HS256","typ":"JWT"}') || '.'
      || auth.url_encode(convert_to(payload::text, 'utf8')) as text
  )
  select head.text || '.' || auth.url_encode(hmac(head.text, secret, 'sha256')) from head;
$$;

create function auth.access_token(username text, role name) returns text language sql stable as $$
  select auth.signed(
    json_build_object('role', role, 'sub', username, 'exp', extract(epoch from now())::int + 600),
    current_setting('pgrst.jwt_secret')
  );
$$;

-- Cookie recipe: void, response.headers, PT401

create function auth.login(user_ text, pass text) returns void
language plpgsql security definer as $$
declare
  found auth.user;
  token text;
begin
  select * into found from auth.user
    where username = user_ and password = crypt(pass, password);
  if found.username is null then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;
  insert into auth.refresh_token (username) values (found.username)
    returning refresh_token.token into token;
  perform set_config('response.headers', format(
    '[{"Set-Cookie":"access_token=%s; Path=/; HttpOnly;"},'
    '{"Set-Cookie":"refresh_token=%s; Path=/rpc/refresh_token; HttpOnly;"}]',
    auth.access_token(found.username, found.role), token), true);
end $$;

create function auth.logout() returns void language plpgsql as $$
begin
  perform set_config('response.headers',
    '[{"Set-Cookie":"access_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT;"},'
    '{"Set-Cookie":"refresh_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT;"}]', true);
end $$;

create function auth.refresh_token() returns void
language plpgsql security definer as $$
declare
  found auth.user;
begin
  select holder.* into found
    from auth.refresh_token as stored join auth.user as holder using (username)
    where stored.token = current_setting('request.cookies', true)::json->>'refresh_token'
      and stored.created_at > now() - interval '30 days';
  if found.username is null then
    raise sqlstate 'PT401' using message = 'Invalid or expired refresh token';
  end if;
  perform set_config('response.headers', format(
    '[{"Set-Cookie":"access_token=%s; Path=/; HttpOnly;"}]',
    auth.access_token(found.username, found.role)), true);
end $$;

-- Token recipe: a composite in the body, invalid_password

create schema docs;
grant usage on schema docs to anon;
create type docs.jwt_token as (token text);

create function docs.login(email text, pass text) returns docs.jwt_token
language plpgsql security definer as $$
declare
  found auth.user;
  result docs.jwt_token;
begin
  select * into found from auth.user as holder
    where holder.email = login.email and holder.password = crypt(login.pass, holder.password);
  if found.username is null then
    raise invalid_password using message = 'invalid user or password';
  end if;
  result.token := auth.access_token(found.username, found.role);
  return result;
end $$;

-- Session recipe: errors as JSON with status 200, the refresh token as an argument

create function auth.login(email text, password text, remember boolean default false) returns json
language plpgsql security definer as $$
begin
  if not exists (
    select from auth.user as holder
      where holder.email = login.email and holder.password = crypt(login.password, holder.password)
  ) then
    return json_build_object('error', 'Invalid credentials');
  end if;
  return json_build_object('token', 'opaque', 'remember', remember);
end $$;

create function auth.refresh_token(refresh_token uuid) returns json
language plpgsql security definer as $$
begin
  return json_build_object('error', 'Invalid or expired refresh token');
end $$;

grant execute on function
  auth.login(text, text), auth.logout(), auth.refresh_token(), docs.login(text, text),
  auth.login(text, text, boolean), auth.refresh_token(uuid) to anon;
