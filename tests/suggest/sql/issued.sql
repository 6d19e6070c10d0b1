-- Tokens issued to services; clients only renew
create schema auth;
create table auth.refresh_token (subject text, token text);
create function auth.generate_user_jwt(subject text, secret text, role text) returns text
language plpgsql as $$
begin
  return public.sign(
    json_build_object('role', role, 'sub', subject, 'exp', extract(epoch from now())::int + 600),
    convert_from(decode(secret, 'base64'), 'utf8')
  );
end $$;
create function auth.issue_tokens(subject text, role text default 'member') returns void
language plpgsql security definer as $$
declare
  access_token text := auth.generate_user_jwt(subject, current_setting('pgrst.jwt_secret'), role);
  refresh_token text := gen_random_uuid();
begin
  insert into auth.refresh_token values (subject, refresh_token);
  perform set_config('response.headers', json_build_array(
    json_build_object('Set-Cookie', 'access_token=' || access_token || '; Path=/; HttpOnly; Max-Age=600'),
    json_build_object('Set-Cookie', 'refresh_token=' || refresh_token || '; Path=/; HttpOnly')
  )::text, true);
end $$;
create function auth.refresh_tokens() returns void language plpgsql security definer as $$
declare
  found text;
begin
  select r.subject into found from auth.refresh_token as r
    where r.token = current_setting('request.cookies', true)::json ->> 'refresh_token';
  if found is null then
    raise sqlstate 'PT401' using message = 'Invalid or expired refresh token';
  end if;
  perform set_config('response.headers', '[{"Set-Cookie": "access_token='
    || auth.generate_user_jwt(found, current_setting('pgrst.jwt_secret'), 'member')
    || '; Path=/; HttpOnly"}]', true);
end $$;
revoke execute on function auth.issue_tokens(text, text) from public;
grant usage on schema auth to anon, service;
grant execute on function auth.refresh_tokens() to anon;
grant execute on function auth.issue_tokens(text, text) to service;
