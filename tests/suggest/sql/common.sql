-- Roles as PostgREST's users have them, and a signer for HS256 with the text of a secret.
do $$ begin
  if to_regrole('anon') is null then create role anon nologin; end if;
  if to_regrole('web_anon') is null then create role web_anon nologin; end if;
  if to_regrole('member') is null then create role member nologin; end if;
  if to_regrole('service') is null then create role service nologin; end if;
  if to_regrole('authenticator') is null then create role authenticator noinherit login; end if;
end $$;
grant anon, web_anon, member, service to authenticator;
create extension pgcrypto;
create schema api;
create function public.url_encode(data bytea) returns text language sql immutable as
  $$ select translate(encode(data, 'base64'), E'+/=\n', '-_') $$;
create function public.sign(payload json, secret text) returns text language sql immutable as $$
  with head as (
    select public.url_encode('{"alg":"HS256","typ":"JWT"}') || '.'
      || public.url_encode(convert_to(payload::text, 'utf8')) as text
  )
  select head.text || '.' || public.url_encode(public.hmac(head.text, secret, 'sha256')) from head
$$;
