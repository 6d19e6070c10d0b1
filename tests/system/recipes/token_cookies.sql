-- An identity that a service of its own has checked: it gets both cookies, and a refresh function of another name.
create schema api;
create schema auth;
grant usage on schema api, auth to anon, basic_subscriber;
create table api.note (body text);
insert into api.note values ('private');
grant select on api.note to basic_subscriber;

create table auth.refresh_token (
  id bigserial primary key,
  subject text not null,
  token text not null,
  created_at timestamptz not null default now()
);

create function auth.generate_user_jwt(subject text, secret text) returns text language sql as $$
  select public.sign(
    json_build_object('role', 'basic_subscriber', 'sub', subject, 'exp', extract(epoch from now())::integer + 600),
    secret)
$$;

create function auth.issue_tokens(subject text) returns void language plpgsql security definer as $$
declare
  refresh text := gen_random_uuid();
begin
  insert into auth.refresh_token (subject, token) values (subject, refresh);
  perform set_config('response.headers', json_build_array(
    json_build_object('Set-Cookie', 'access_token='
      || auth.generate_user_jwt(subject, current_setting('pgrst.jwt_secret')) || '; Path=/; HttpOnly; Max-Age=600'),
    json_build_object('Set-Cookie', 'refresh_token=' || refresh || '; Path=/; HttpOnly; Max-Age=2592000')
  )::text, true);
end $$;

create function auth.refresh_tokens() returns void language plpgsql security definer as $$
declare
  found_subject text;
begin
  select t.subject into found_subject
    from auth.refresh_token as t
    where t.token = current_setting('request.cookies', true)::json ->> 'refresh_token'
      and t.created_at > now() - interval '30 days';
  if found_subject is null then
    raise sqlstate 'PT401' using message = 'Invalid or expired refresh token';
  end if;
  perform set_config('response.headers', '[{"Set-Cookie": "access_token='
    || auth.generate_user_jwt(found_subject, current_setting('pgrst.jwt_secret')) || '; Path=/; HttpOnly"}]', true);
end $$;

revoke execute on function auth.issue_tokens(text) from public;
grant execute on function auth.issue_tokens(text) to basic_subscriber;
