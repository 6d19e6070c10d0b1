-- Somebody's own sign-in, as the recipes write it: another schema, other names, other arguments, cookies
-- without a thought for attributes, and a body besides.

create schema accounts;
grant usage on schema accounts to anon;
create table accounts.member (email text primary key, secret text not null);
insert into accounts.member values ('ann@example.org', extensions.crypt('correct horse', extensions.gen_salt('bf', 4)));

create function accounts.url_encode(data bytea) returns text language sql immutable as $$
  select translate(encode(data, 'base64'), E'+/=\n', '-_');
$$;

create function accounts.token(claims json) returns text language sql stable as $$
  with signed as (
    select accounts.url_encode('{"alg":"HS256","typ":"JWT"}') || '.'
      || accounts.url_encode(convert_to(claims::text, 'utf8')) as part
  )
  select part || '.' || accounts.url_encode(extensions.hmac(
      part::bytea, decode(current_setting('pgrst.jwt_secret'), 'base64'), 'sha256'))
    from signed;
$$;

create function accounts.sign_in(email text, password text, remember boolean default false) returns json
language plpgsql security definer as $$
declare
  v_token text;
begin
  if not exists (
    select from accounts.member as m
     where m.email = sign_in.email and m.secret = extensions.crypt(sign_in.password, m.secret)
  ) then
    raise sqlstate 'PT401' using message = 'Who are you?', hint = 'Try again';
  end if;
  v_token := accounts.token(json_build_object(
    'role', 'basic_subscriber', 'username', email, 'exp', extract(epoch from now())::bigint + 60));
  perform set_config('response.headers', json_build_array(
    json_build_object('Set-Cookie', 'access_token=' || v_token || '; path=/'),
    json_build_object('Set-Cookie', 'refresh_token=r; path=/rpc/refresh_token'),
    json_build_object('X-Welcome', 'back')
  )::text, true);
  return json_build_object('email', email, 'remember', remember);
end $$;

create function accounts.sign_out() returns void language plpgsql as $$
begin
  perform set_config('response.headers',
    '[{"Set-Cookie": "access_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT"}]', true);
end $$;

-- What Postgres says of a value that does not fit quotes the value
create function accounts.enter_pin(pin text) returns integer language sql immutable as 'select pin::integer';

grant execute on function
  accounts.sign_in(text, text, boolean), accounts.sign_out(), accounts.enter_pin(text) to anon;
