-- Refresh tokens: what is stored of one, what follows from it, how the first is issued, how they are pruned.
--
-- A token is 256 random bits, or follows from the one before it. The table has its digest alone.
--
-- Grants: none.
-- Attacker: nothing to gain: from digests and salts no token follows.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.token_digest(token text) returns bytea
  language sql immutable strict
  return sha256(convert_to(token, 'UTF8'));

create or replace function auth_private.token_successor(token text, salt bytea) returns text
  language sql immutable strict
  -- the secret is the key (RFC 2104): the salt alone, as a thief of the table has it, gives nothing
  return auth_private.base64url(auth_private.hmac_sha256(salt, convert_to(token, 'UTF8')));

create or replace function auth_private.token_proof(token text) returns text
  language sql immutable strict
  -- no salt has this length, so no proof is ever a successor
  return auth_private.base64url(
    auth_private.hmac_sha256(convert_to('access token', 'UTF8'), convert_to(token, 'UTF8'))
  );

create or replace function auth_private.issue_refresh_token(
  session auth.session,
  out token text,
  out expires_at timestamptz
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := clock_timestamp();
begin
  expires_at := least(v_now + auth_private.refresh_token_life(), session.expires_at);
  token := auth_private.base64url(auth_private.random_bytes(32));
  insert into auth.refresh_token (digest, family, salt, proof, issued_at, expires_at)
  values (
    auth_private.token_digest(token),
    session.id,
    auth_private.random_bytes(32),
    auth_private.token_digest(auth_private.token_proof(token)),
    v_now,
    issue_refresh_token.expires_at
  );
end
$$;

create or replace function auth_private.session_of_token(token text) returns uuid
  language sql stable
  return (
    select t.family
      from auth.refresh_token as t
     where t.digest = auth_private.token_digest(session_of_token.token)
  );

-- A handful at each login and refresh, so that the table needs no scheduler; skipping what others hold,
-- so that no request waits for another's housekeeping
create or replace function auth_private.prune_refresh_tokens() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from auth.refresh_token as t
   where t.digest in (
     select expired.digest
       from auth.refresh_token as expired
      where expired.expires_at < now()
      order by expired.expires_at
      limit 20
      for update skip locked
   );
end
$$;

comment on function auth_private.token_digest(text) is
  'What is stored of a token.';
comment on function auth_private.token_successor(text, bytea) is
  'The one token that this token turns into.';
comment on function auth_private.token_proof(text) is
  'What the jti of the access tokens begins with that are minted with this refresh token.';
comment on function auth_private.issue_refresh_token(auth.session) is
  'The first refresh token of a session.';
comment on function auth_private.session_of_token(text) is
  'The session that a refresh token belongs to, used or not; null for an unknown one.';
comment on function auth_private.prune_refresh_tokens() is
  'Deletes a few expired refresh tokens.';

reset role;
