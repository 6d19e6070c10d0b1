-- Signing access tokens: HS256 (RFC 7518 section 3.2) with pgcrypto alone.
--
-- The secret comes with each transaction (app.settings.jwt_secret, from the gateway or from
-- PGRST_APP_SETTINGS_JWT_SECRET) and is stored nowhere in the database: another role's current_setting
-- finds nothing. It is decoded as PostgREST does it, and never guessed at: a text secret that happens to
-- fit the base64 alphabet would be decoded and nothing would verify.
-- A token says which session it belongs to (`sid`), does not outlive it, and proves in its `jti` that it was
-- minted for it (44_current_session.sql). Claims that a session was opened with never replace those that this
-- file makes. None of these is a definer function: called by any role but auth_owner they reach no primitive.
--
-- Grants: none. No API role can sign.
-- Attacker: a role that may execute sign_jwt or mint_access_token is any user with any role.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.jwt_key() returns bytea
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_secret text := auth_private.setting('app.settings.jwt_secret');
  v_is_base64 constant text := lower(auth_private.setting('app.settings.jwt_secret_is_base64', 'false'));
  v_key bytea;
begin
  if v_secret is null then
    raise config_file_error using
      message = 'the JWT secret is not configured',
      hint = 'Set app.settings.jwt_secret (PGRST_APP_SETTINGS_JWT_SECRET).';
  end if;

  if v_is_base64 in ('true', '1', 'yes', 'on') then
    -- PostgREST takes both alphabets, '.' for '=', and blanks at the ends. Checked here, since
    -- decode() would quote the character it stumbles upon. Padding may be missing
    v_secret := rtrim(translate(btrim(v_secret, E' \t\r\n'), '-_.', '+/='), '=');
    if v_secret !~ '^[A-Za-z0-9+/]*$' or length(v_secret) % 4 = 1 then
      raise config_file_error using
        message = 'the JWT secret is not base64',
        hint = 'Set app.settings.jwt_secret_is_base64 as PGRST_JWT_SECRET_IS_BASE64 is set.';
    end if;
    v_key := decode(v_secret || repeat('=', -length(v_secret) & 3), 'base64');
  elsif v_is_base64 in ('false', '0', 'no', 'off') then
    if v_secret ~ '^\s*\{.*"kty"' then
      raise config_file_error using
        message = 'the JWT secret is a JSON Web Key',
        hint = 'Signing needs the bytes of one secret for HS256.';
    end if;
    v_key := convert_to(v_secret, 'UTF8');
  else
    raise config_file_error using
      message = 'app.settings.jwt_secret_is_base64 is neither true nor false';
  end if;

  -- RFC 7518 section 3.2: a key as long as the digest; PostgREST refuses shorter ones as well
  if octet_length(v_key) < 32 then
    raise config_file_error using
      message = 'the JWT secret is shorter than 32 bytes',
      hint = 'Make one with: openssl rand -base64 32';
  end if;
  return v_key;
end
$$;

create or replace function auth_private.sign_jwt(claims json, key bytea) returns text
  language plpgsql immutable strict
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_signed constant text :=
    auth_private.base64url(convert_to('{"alg":"HS256","typ":"JWT"}', 'UTF8'))
    || '.'
    || auth_private.base64url(convert_to(claims::text, 'UTF8'));
begin
  return v_signed
    || '.'
    || auth_private.base64url(auth_private.hmac_sha256(convert_to(v_signed, 'UTF8'), key));
end
$$;

-- The one list of what only this file may say. Name and address of a user come from the user's row
create or replace function auth_private.reserved_claims(of_user boolean) returns text[]
  language sql immutable
  return array[
      'role', 'sub', 'sid', 'iss', 'aud', 'iat', 'nbf', 'exp', 'jti', 'amr', 'aal', 'acr', 'auth_time'
    ] || case when of_user then array['username', 'email'] else '{}' end;

create or replace function auth_private.assurance_level(amr text[]) returns integer
  language sql immutable
  return case when 'mfa' = any (amr) then 2 else 1 end;

create or replace function auth_private.session_claims(session auth.session) returns jsonb
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_is_of_user constant boolean := session.user_id is not null;
  v_user auth.user;
  v_role text := session.role;
begin
  if v_is_of_user then
    select u.* into v_user from auth.user as u where u.id = session.user_id and u.disabled_at is null;
    v_role := v_user.role;
  end if;
  if v_role is null or not auth_private.role_is_assignable(v_role) then
    return null;
  end if;
  return (session.claims || auth_private.further_claims(session.user_id))
      - auth_private.reserved_claims(v_is_of_user) || jsonb_strip_nulls(
    jsonb_build_object(
      'role', v_role,
      'sub', session.subject,
      'sid', session.sid,
      'username', v_user.username,
      'email', v_user.email,
      'amr', session.amr,
      'aal', auth_private.assurance_level(session.amr),
      'auth_time', floor(extract(epoch from session.auth_time))::bigint
    )
  );
end
$$;

create or replace function auth_private.mint_access_token(
  claims jsonb,
  not_after timestamptz default 'infinity',
  proof text default null
) returns text
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant bigint := floor(extract(epoch from clock_timestamp()));
  v_end constant bigint := v_now + auth_private.access_token_life();
begin
  return auth_private.sign_jwt(
    (
      claims || jsonb_strip_nulls(
        jsonb_build_object(
          -- A verifier without leeway refuses a token from the future, and clocks differ
          'iat', v_now - 30,
          'exp', case
            when not_after < to_timestamp(v_end) then floor(extract(epoch from not_after))::bigint
            else v_end
          end,
          'jti', coalesce(
            -- Unique for each token (RFC 7519 section 4.1.7), though a refresh token has one proof
            proof || '.' || auth_private.base64url(auth_private.random_bytes(9)),
            gen_random_uuid()::text
          ),
          'aud', auth_private.setting('app.settings.jwt_audience')
        )
      )
    )::json,
    auth_private.jwt_key()
  );
end
$$;

comment on function auth_private.jwt_key() is
  'The signing key; raises F0000 (500 in HTTP), without the value, where it is missing or unfit.';
comment on function auth_private.sign_jwt(json, bytea) is
  'The claims as a signed token in compact form (RFC 7515 section 7.1).';
comment on function auth_private.reserved_claims(boolean) is
  'The claims that a session''s own `claims` cannot set: of a session of a user, or of another one.';
comment on function auth_private.assurance_level(text[]) is
  'The claim `aal`: 2 if several factors were used (`mfa`, RFC 8176), else 1.';
comment on function auth_private.session_claims(auth.session) is
  'What the access tokens of a session say from now on, with the user''s role and name of this moment; null '
  'if the user is disabled or gone, or the role may not be given any more.';
comment on function auth_private.mint_access_token(jsonb, timestamptz, text) is
  'An access token with these claims and iat, exp, jti, and aud if configured. It expires at not_after at '
  'the latest. Its jti begins with the proof.';

reset role;
