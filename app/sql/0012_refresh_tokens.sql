-- auth.refresh_token: every refresh token of every session, by digest.
--
-- A family is all tokens descended from one login. A used token stays until it expires, because only a
-- token that is still known can be recognized when it comes a second time (RFC 9700 section 4.14.2).
-- What a token turns into follows from the token itself and the salt of its row, so that the loser of a
-- race can be told the same successor as the winner although no token is ever stored.
--
-- Grants: nothing, to nobody; row level security with no policy, should someone grant by mistake.
-- Attacker: who reads the table gets digests of 256 random bits, and salts, and cannot make a token
-- from either; who writes it can end sessions, and start one for a user by inserting a digest.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (12, '0012_refresh_tokens');

set local role auth_owner;

create table auth.refresh_token (
  digest bytea
    constraint refresh_token_digest_pkey primary key
    constraint refresh_token_digest_check check (octet_length(digest) = 32),
  family uuid not null,
  username text not null
    constraint refresh_token_username_fkey references auth.user (username)
    on update cascade on delete cascade,
  salt bytea not null
    constraint refresh_token_salt_check check (octet_length(salt) = 32),
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  replaced_at timestamptz,
  constraint refresh_token_expires_at_check check (expires_at > issued_at)
);

create index refresh_token_family_idx on auth.refresh_token (family);
create index refresh_token_username_idx on auth.refresh_token (username);
create index refresh_token_expires_at_idx on auth.refresh_token (expires_at);

alter table auth.refresh_token enable row level security;

create function auth_private.token_digest(token text) returns bytea
  language sql immutable strict
  return sha256(convert_to(token, 'UTF8'));

create function auth_private.token_successor(token text, salt bytea) returns text
  language sql immutable strict
  -- the secret is the key (RFC 2104): the salt alone, as a thief of the table has it, gives nothing
  return auth_private.base64url(auth_private.hmac_sha256(salt, convert_to(token, 'UTF8')));

comment on table auth.refresh_token is
  'Refresh tokens by digest, used ones included until they expire.';
comment on column auth.refresh_token.digest is
  'SHA-256 of the token as the cookie carries it.';
comment on column auth.refresh_token.family is
  'The session: all tokens descended from one login.';
comment on column auth.refresh_token.username is
  'Whose session it is.';
comment on column auth.refresh_token.salt is
  'Random; with the token itself it gives the successor.';
comment on column auth.refresh_token.issued_at is
  'When it was made.';
comment on column auth.refresh_token.expires_at is
  'From when on it is good for nothing.';
comment on column auth.refresh_token.replaced_at is
  'When it was first used: the start of its grace window. Null: not used yet.';
comment on index auth.refresh_token_family_idx is
  'To revoke a session.';
comment on index auth.refresh_token_username_idx is
  'To revoke all sessions of a user, and for the cascades.';
comment on index auth.refresh_token_expires_at_idx is
  'To prune.';
comment on function auth_private.token_digest(text) is
  'What is stored of a token.';
comment on function auth_private.token_successor(text, bytea) is
  'The one token that this token turns into.';

reset role;
