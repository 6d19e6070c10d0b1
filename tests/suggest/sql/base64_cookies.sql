-- The same, with a secret in base64
create schema auth;
create table auth.user (username text primary key, password text not null, role name not null);
create table auth.refresh_token (token text, username text);
create function auth.encrypt_pass() returns trigger language plpgsql as $$
begin
  new.password := crypt(new.password, gen_salt('bf', 4));
  return new;
end $$;
create trigger encrypt_pass before insert or update on auth.user
  for each row execute function auth.encrypt_pass();
create function auth.generate_access_token(role_ text, user_ text, secret text) returns text
language plpgsql as $$
begin
  return public.sign(
    json_build_object('role', role_, 'username', user_, 'exp', extract(epoch from now())::int + 600), convert_from(decode(secret, 'base64'), 'utf8')
  );
end $$;
create function auth.login(user_ text, pass text) returns void language plpgsql security definer as $$
declare
  access_token text;
  refresh_token text := gen_random_uuid();
  role_ name;
begin
  select role into role_ from auth.user where username = user_ and password = public.crypt(pass, password);
  if role_ is null then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;
  access_token := auth.generate_access_token(role_, user_, current_setting('pgrst.jwt_secret'));
  insert into auth.refresh_token values (refresh_token, user_);
  perform set_config('response.headers', '[' ||
    '{"Set-Cookie": "access_token=' || access_token || '; Path=/; HttpOnly;"},' ||
    '{"Set-Cookie": "refresh_token=' || refresh_token || '; Path=/rpc/refresh_token; HttpOnly;"}' ||
  ']', true);
end $$;
create function auth.logout() returns void language plpgsql as $$
begin
  perform set_config('response.headers', '[' ||
    '{"Set-Cookie": "access_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT;"},' ||
    '{"Set-Cookie": "refresh_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT;"}' ||
  ']', true);
end $$;
create function auth.refresh_token() returns void language plpgsql security definer as $$
declare
  user_ text;
  role_ text;
begin
  select username into user_ from auth.refresh_token
    where token = current_setting('request.cookies', true)::json ->> 'refresh_token';
  if user_ is null then
    raise sqlstate 'PT401' using message = 'Invalid or expired refresh token';
  end if;
  select role into role_ from auth.user where username = user_;
  perform set_config('response.headers', '[{"Set-Cookie": "access_token='
    || auth.generate_access_token(role_, user_, current_setting('pgrst.jwt_secret'))
    || '; Path=/; HttpOnly;"}]', true);
end $$;
grant usage on schema auth to anon;
grant execute on function auth.login(text, text), auth.logout(), auth.refresh_token() to anon;
