-- A composite with the token, in an exposed schema; the users in another one; the secret in the source
create schema basic_auth;
create table basic_auth.users (email text primary key, pass text not null, role name not null);
create type basic_auth.jwt_token as (token text);
create function basic_auth.user_role(email text, pass text) returns name language plpgsql as $$
begin
  return (
    select role from basic_auth.users
     where users.email = user_role.email and users.pass = crypt(user_role.pass, users.pass)
  );
end $$;
create function api.login(email text, pass text) returns basic_auth.jwt_token
language plpgsql security definer as $$
declare
  _role name;
  result basic_auth.jwt_token;
begin
  select basic_auth.user_role(email, pass) into _role;
  if _role is null then
    raise invalid_password using message = 'invalid user or password';
  end if;
  select sign(row_to_json(r), 'reallyreallyreallyreallyverysafe') as token
    from (
      select _role as role, login.email as email, extract(epoch from now())::integer + 60 * 60 as exp
    ) r
    into result;
  return result;
end $$;
grant usage on schema api to anon;
grant execute on function api.login(text, text) to anon;
