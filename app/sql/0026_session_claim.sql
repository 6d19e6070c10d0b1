-- Access tokens say which session they belong to (`sid`), and do not outlive it.
--
-- With `sid` a gateway can refuse the tokens of one session without a query, and SQL knows the session
-- of a request that came straight through PostgREST. A token or a cookie that outlived its session
-- would be of a session that nobody can end any more.
--
-- Grants: nothing, to nobody.
-- Attacker: learns the id of their own session, which opens nothing.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (26, '0026_session_claim');

set local role auth_owner;

drop function auth_private.mint_access_token(text, text);

create function auth_private.mint_access_token(
  username text,
  role text,
  session uuid default null,
  not_after timestamptz default 'infinity'
) returns text
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- Rounded down: verifiers without leeway refuse a token issued in the future
  v_now constant bigint := floor(extract(epoch from clock_timestamp()));
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
          when not_after < to_timestamp(v_now + auth_private.access_token_life())
          then floor(extract(epoch from not_after))::bigint
          else v_now + auth_private.access_token_life()
        end as exp,
        gen_random_uuid() as jti,
        auth_private.setting('app.settings.jwt_audience') as aud
    ) as c;
  return auth_private.sign_jwt(v_claims, auth_private.jwt_key());
end
$$;

create or replace function auth_private.send_cookies(
  access text,
  refresh text,
  refresh_expires_at timestamptz
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_refresh_life constant integer := ceil(extract(epoch from refresh_expires_at - clock_timestamp()));
begin
  perform auth_private.add_response_headers(
    auth_private.set_cookie_header(
      auth_private.access_cookie(), access, least(auth_private.access_token_life(), v_refresh_life)
    ),
    auth_private.set_cookie_header(auth_private.refresh_cookie(), refresh, v_refresh_life)
  );
end
$$;

comment on function auth_private.mint_access_token(text, text, uuid, timestamptz) is
  'An access token for a user, with the claims role, username, sub, iat, exp, jti, aud if configured, and '
  'sid if a session is given. It expires at not_after at the latest.';

reset role;
