-- A login in the API's own schema that returns a composite with the token, and raises invalid_password.
create schema api;
create schema basic_auth;
grant usage on schema api to anon, basic_subscriber;
create table api.note (body text);
insert into api.note values ('private');
grant select on api.note to basic_subscriber;

create table basic_auth.users (email text primary key, pass text not null, role name not null);
insert into basic_auth.users values ('a@b.c', crypt('right', gen_salt('bf', 4)), 'basic_subscriber');
create type basic_auth.jwt_token as (token text);

create function api.login(email text, pass text) returns basic_auth.jwt_token
language plpgsql security definer as $$
declare
  found_role name;
  result basic_auth.jwt_token;
begin
  select role into found_role from basic_auth.users
    where users.email = login.email and users.pass = crypt(login.pass, users.pass);
  if found_role is null then
    raise invalid_password using message = 'invalid user or password';
  end if;
  select sign(json_build_object(
    'role', found_role, 'email', login.email, 'exp', extract(epoch from now())::integer + 3600
  ), current_setting('app.jwt_secret')) into result.token;
  return result;
end $$;

create function api.change_password(old text, new text) returns json language sql as $$
  select json_build_object('role', current_user, 'email', current_setting('request.jwt.claims', true)::json ->> 'email')
$$;

create function api.sessions() returns json language sql stable as
  $$ select json_build_object('role', current_user) $$;
