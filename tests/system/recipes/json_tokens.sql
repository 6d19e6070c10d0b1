-- Functions that return JSON with a token or an error, always with 200; exp has a fraction; no cookie at all.
create schema auth;
grant usage on schema public, auth to anon, basic_subscriber;
create table public.participant (body text);
insert into public.participant values ('private');
grant select on public.participant to basic_subscriber;

create table auth.users (
  id serial primary key,
  email text unique not null,
  password_hash text not null,
  role text default 'basic_subscriber'
);
create table auth.sessions (
  id uuid primary key default gen_random_uuid(),
  user_id integer references auth.users (id) on delete cascade,
  expires_at timestamp default now() + interval '7 days'
);

create function auth.register_user(email text, password text) returns json
language plpgsql security definer as $$
declare
  new_user auth.users;
begin
  if exists (select 1 from auth.users where auth.users.email = register_user.email) then
    return json_build_object('error', 'Email already exists');
  end if;
  insert into auth.users (email, password_hash)
    values (email, crypt(password, gen_salt('bf', 4))) returning * into new_user;
  insert into auth.sessions (user_id) values (new_user.id);
  return json_build_object('success', true, 'user_id', new_user.id, 'email', new_user.email);
end $$;

create function auth.token_of(holder auth.users) returns text language sql as $$
  select sign(json_build_object(
    'role', holder.role, 'user_id', holder.id, 'email', holder.email,
    'exp', extract(epoch from now() + interval '7 days') + 0.25
  ), current_setting('app.jwt_secret', true))
$$;

create function auth.login(email text, password text) returns json language plpgsql security definer as $$
declare
  found_user auth.users;
begin
  select * into found_user from auth.users where auth.users.email = login.email;
  if found_user is null or found_user.password_hash <> crypt(password, found_user.password_hash) then
    return json_build_object('error', 'Invalid credentials');
  end if;
  return json_build_object('token', auth.token_of(found_user), 'user', json_build_object('email', found_user.email));
end $$;

create function auth.current_user() returns json language sql stable as $$
  select json_build_object('email', current_setting('request.jwt.claims', true)::json ->> 'email')
$$;

create function auth.refresh_token(refresh_token uuid) returns json language plpgsql security definer as $$
declare
  found_user auth.users;
begin
  select u.* into found_user from auth.sessions as s join auth.users as u on u.id = s.user_id
    where s.id = refresh_token and s.expires_at > now();
  if found_user is null then
    return json_build_object('error', 'Invalid or expired refresh token');
  end if;
  return json_build_object('token', auth.token_of(found_user));
end $$;
