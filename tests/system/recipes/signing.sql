-- What the known recipes share: a signer in SQL, and a secret that is a setting of the database.
create extension pgcrypto;

do $$ begin
  execute format('alter database %I set app.jwt_secret = %L', current_database(), 'a-text-secret-of-more-than-32-bytes-1');
  execute format('alter database %I set pgrst.jwt_secret = %L', current_database(), 'a-text-secret-of-more-than-32-bytes-1');
end $$;

create function public.url_encode(data bytea) returns text language sql immutable as
  $$ select translate(encode(data, 'base64'), E'+/=\n', '-_') $$;

create function public.sign(payload json, secret text) returns text language sql immutable as $$
  with head as (
    select public.url_encode('{"alg":"HS256","typ":"JWT"}') || '.'
      || public.url_encode(convert_to(payload::text, 'utf8')) as text
  )
  select head.text || '.' || public.url_encode(public.hmac(head.text, secret, 'sha256')) from head
$$;
