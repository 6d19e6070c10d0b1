-- JSON replies with a token and a user; the refresh token as an argument
create schema auth;
create table auth.users (
  id serial primary key, email text unique not null, password_hash text not null, role text not null,
  active boolean default true
);
create table auth.sessions (id uuid primary key default gen_random_uuid(), user_id int, expires_at timestamptz);
create function auth.hash_password(password text) returns text language sql as
  $$ select crypt(password, gen_salt('bf', 4)) $$;
create function auth.verify_password(password text, hash text) returns boolean language sql as
  $$ select hash = crypt(password, hash) $$;
create function auth.register_user(email text, password text, user_role text default 'member') returns json
language plpgsql security definer as $$
begin
  insert into auth.users (email, password_hash, role) values (email, auth.hash_password(password), user_role);
  return json_build_object('email', email);
end $$;
create function auth.login(email text, password text) returns json language plpgsql security definer as $$
declare
  found auth.users;
  jwt_token text;
begin
  select * into found from auth.users as u where u.email = login.email and active;
  if found.id is null or not auth.verify_password(password, found.password_hash) then
    return json_build_object('error', 'Invalid credentials');
  end if;
  jwt_token := public.sign(
    json_build_object('role', found.role, 'user_id', found.id, 'exp', extract(epoch from now())::int + 600),
    current_setting('app.jwt_secret', true)
  );
  return json_build_object('token', jwt_token, 'user', json_build_object('id', found.id));
end $$;
create function auth.current_user() returns json language sql stable as
  $$ select json_build_object('user_id', current_setting('request.jwt.claims', true)::json ->> 'user_id') $$;
create function auth.refresh_token(refresh_token uuid) returns json language plpgsql security definer as $$
declare
  found auth.users;
begin
  select u.* into found from auth.sessions as s join auth.users as u on u.id = s.user_id
    where s.id = refresh_token and s.expires_at > now();
  if found.id is null then
    return json_build_object('error', 'Invalid or expired refresh token');
  end if;
  return json_build_object('token', public.sign(
    json_build_object('role', found.role, 'user_id', found.id, 'exp', extract(epoch from now())::int + 600),
    current_setting('app.jwt_secret', true)
  ));
end $$;
create function public.pre_request() returns void language plpgsql as $$ begin end $$;
grant usage on schema auth to web_anon;
grant execute on function auth.login(text, text), auth.register_user(text, text, text) to web_anon;
