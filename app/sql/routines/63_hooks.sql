-- Functions of the owner's that run at certain points, if they exist:
--
--   auth.before_user(claims jsonb) returns jsonb     before a user is added: changes the user, or raises
--   auth.claims(user_id uuid) returns jsonb          at each access token of a user: further claims
--   auth.after_sign_in(session uuid) returns void    when a session has begun
--
-- They run as auth_owner, in the transaction of the caller: what one raises is the response, and undoes all.
--
-- Grants: none. The owner grants execute on the hooks to auth_owner, or makes them its property.
-- Attacker: a role that may create functions in the schema auth is auth_owner.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.before_user(claims jsonb) returns jsonb
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb := claims;
begin
  if to_regprocedure('auth.before_user(jsonb)') is null then
    return claims;
  end if;
  execute 'select auth.before_user($1)' into v_claims using claims;
  if v_claims is null then
    raise sqlstate 'PT403' using message = 'This registration is not permitted';
  end if;
  return v_claims;
end
$$;

create or replace function auth_private.further_claims(user_id uuid) returns jsonb
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims jsonb;
begin
  if user_id is not null and to_regprocedure('auth.claims(uuid)') is not null then
    execute 'select auth.claims($1)' into v_claims using user_id;
  end if;
  return case when jsonb_typeof(v_claims) = 'object' then v_claims else '{}' end;
end
$$;

create or replace function auth_private.after_sign_in(session uuid) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if to_regprocedure('auth.after_sign_in(uuid)') is not null then
    execute 'select auth.after_sign_in($1)' using session;
  end if;
end
$$;

create or replace function auth_private.new_user(
  way text,
  address text,
  role text,
  hash text,
  data jsonb default '{}',
  language text default null
) returns auth.user
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_id constant uuid := gen_random_uuid();
  v_claims constant jsonb := auth_private.before_user(
    jsonb_build_object(
      'id', v_id, 'way', way, 'email', address, 'username', v_id::text, 'role', role, 'data', data
    )
  );
  v_user auth.user;
begin
  if hash is not null then
    perform auth_private.announce_hash(hash);
  end if;
  insert into auth.user as u (
    id, username, email, email_verified_at, password, role, language, data, is_guest
  )
  values (
    v_id,
    coalesce(v_claims ->> 'username', v_id::text),
    address,
    case when address is not null then clock_timestamp() end,
    hash,
    coalesce(v_claims ->> 'role', new_user.role),
    new_user.language,
    coalesce(v_claims -> 'data', new_user.data),
    hash is null
  )
  returning u.* into v_user;
  return v_user;
end
$$;

comment on function auth_private.before_user(jsonb) is
  'The user to be, as auth.before_user(jsonb) changes it; raises PT403 if that returns null.';
comment on function auth_private.further_claims(uuid) is
  'The claims that auth.claims(uuid) adds.';
comment on function auth_private.after_sign_in(uuid) is
  'Calls auth.after_sign_in(uuid).';
comment on function auth_private.new_user(text, text, text, text, jsonb, text) is
  'Adds a user with a proven address, or a guest without address and hash.';

reset role;
