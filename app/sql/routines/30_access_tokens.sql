-- Signing access tokens: HS256 (RFC 7518 section 3.2) with pgcrypto alone.
--
-- The secret comes with each transaction (app.settings.jwt_secret, from the gateway or from
-- PGRST_APP_SETTINGS_JWT_SECRET) and is stored nowhere in the database: another role's current_setting
-- finds nothing. It is decoded as PostgREST does it, and never guessed at: a text secret that happens to
-- fit the base64 alphabet would be decoded and nothing would verify.
-- A token says which session it belongs to (`sid`), does not outlive it, and proves in its `jti` that it was
-- minted for it (44_current_session.sql). None of these is a definer function: called by any role but
-- auth_owner they reach no primitive.
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

create or replace function auth_private.mint_access_token(
  username text,
  role text,
  session uuid default null, -- the claim of one
  not_after timestamptz default 'infinity',
  proof text default null
) returns text
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- Rounded down: verifiers without leeway refuse a token issued in the future
  v_now constant bigint := floor(extract(epoch from clock_timestamp()));
  v_end constant bigint := v_now + auth_private.access_token_life();
  v_claims json;
begin
  select json_strip_nulls(row_to_json(c))
    into v_claims
    from (
      select
        mint_access_token.role,
        mint_access_token.username,
        mint_access_token.username as sub,
        mint_access_token.session as sid,
        v_now as iat,
        case
          when not_after < to_timestamp(v_end) then floor(extract(epoch from not_after))::bigint
          else v_end
        end as exp,
        coalesce(
          -- Unique for each token (RFC 7519 section 4.1.7), though a refresh token has one proof
          mint_access_token.proof || '.' || auth_private.base64url(auth_private.random_bytes(9)),
          gen_random_uuid()::text
        ) as jti,
        auth_private.setting('app.settings.jwt_audience') as aud
    ) as c;
  return auth_private.sign_jwt(v_claims, auth_private.jwt_key());
end
$$;

comment on function auth_private.jwt_key() is
  'The signing key; raises F0000 (500 in HTTP), without the value, where it is missing or unfit.';
comment on function auth_private.sign_jwt(json, bytea) is
  'The claims as a signed token in compact form (RFC 7515 section 7.1).';
comment on function auth_private.mint_access_token(text, text, uuid, timestamptz, text) is
  'An access token for a user, with the claims role, username, sub, iat, exp, jti, aud if configured, and '
  'sid if a session is given. It expires at not_after at the latest. Its jti begins with the proof.';

reset role;
