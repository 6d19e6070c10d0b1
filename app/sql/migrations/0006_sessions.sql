-- auth.session, auth.refresh_token, auth_private.ended_session: logins, their tokens, their ends.
--
-- A session is one login on one device, of a user or of a subject that another system vouches for. The first
-- has the role and state that auth.user has at each renewal, the second keeps its role. `subject` says whose
-- session it is: the id of the user, or the foreign subject.
--
-- It ends in one of three ways: it is ended (ended_at), it is not renewed for as long as a refresh token
-- lives, or it reaches expires_at, which nothing puts off.
--
-- Its refresh tokens are its family. A used token stays until it expires, because only a token that is still
-- known can be recognized when it comes a second time (RFC 9700 section 4.14.2). What a token turns into
-- follows from the token itself and the salt of its row, so that the loser of a race can be given the same
-- successor as the winner although no token is ever stored.
--
-- Grants: none; row level security with no policy, should an owner grant by mistake.
-- Attacker: a reader gets who is signed in from where, digests of 256 random bits, and salts, and cannot make
-- a token or a proof from them; a writer can end sessions, and start one for a user by inserting a digest.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (6, '0006_sessions');

set local role auth_owner;

create table auth.session (
  id uuid
    constraint session_id_pkey primary key,
  sid uuid not null
    constraint session_sid_key unique,
  user_id uuid
    constraint session_user_id_fkey references auth.user (id) on delete cascade,
  subject text not null
    constraint session_subject_check
    check (char_length(subject) between 1 and 255 and subject !~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'),
  role text,
  claims jsonb not null default '{}'
    constraint session_claims_check check (jsonb_typeof(claims) = 'object'),
  amr text[] not null default '{}',
  auth_time timestamptz not null,
  created_at timestamptz not null,
  last_seen_at timestamptz not null,
  address text,
  user_agent text,
  expires_at timestamptz not null,
  ended_at timestamptz,
  ended_reason text,
  constraint session_user_id_check
    check (case when user_id is null then role is not null else role is null and subject = user_id::text end),
  constraint session_ended_at_check check ((ended_at is null) = (ended_reason is null))
);

create index session_user_id_idx on auth.session (user_id);
create index session_subject_idx on auth.session (subject);
create index session_last_seen_at_idx on auth.session (last_seen_at);

create table auth.refresh_token (
  digest bytea
    constraint refresh_token_digest_pkey primary key
    constraint refresh_token_digest_check check (octet_length(digest) = 32),
  family uuid not null
    constraint refresh_token_family_fkey references auth.session (id) on delete cascade,
  salt bytea not null
    constraint refresh_token_salt_check check (octet_length(salt) = 32),
  proof bytea
    constraint refresh_token_proof_check check (octet_length(proof) = 32),
  issued_at timestamptz not null,
  expires_at timestamptz not null,
  replaced_at timestamptz,
  constraint refresh_token_expires_at_check check (expires_at > issued_at)
);

create index refresh_token_expires_at_idx on auth.refresh_token (expires_at);
create index refresh_token_family_issued_at_idx on auth.refresh_token (family, issued_at);
create index refresh_token_unused_idx on auth.refresh_token (family) where replaced_at is null;

create table auth_private.ended_session (
  sid uuid
    constraint ended_session_sid_pkey primary key,
  until timestamptz not null
);

create index ended_session_until_idx on auth_private.ended_session (until);

alter table auth.session enable row level security;
alter table auth.refresh_token enable row level security;
alter table auth_private.ended_session enable row level security;

comment on table auth.session is
  'One login on one device, kept until the last of its refresh tokens has expired.';
comment on column auth.session.id is
  'The family of its refresh tokens.';
comment on column auth.session.sid is
  'The claim `sid` of its access tokens; at first its id. A new value revokes those with the one before.';
comment on column auth.session.user_id is
  'The user; null: a session without one.';
comment on column auth.session.subject is
  'Whose session it is: the id of the user, or the foreign subject. The claim `sub`.';
comment on column auth.session.role is
  'The Postgres role of a session without a user; null: the role of the user.';
comment on column auth.session.claims is
  'Further claims of its access tokens. Those of auth_private.reserved_claims are left out.';
comment on column auth.session.amr is
  'How its holder signed in (RFC 8176). The claim `amr`.';
comment on column auth.session.auth_time is
  'When its holder signed in. The claim `auth_time`.';
comment on column auth.session.created_at is
  'When it began.';
comment on column auth.session.last_seen_at is
  'When it was last renewed, or else when it began.';
comment on column auth.session.address is
  'From where it was last renewed, as the gateway says; null: unknown.';
comment on column auth.session.user_agent is
  'What the client last called itself, cut to 256 characters.';
comment on column auth.session.expires_at is
  'From when on it is over, however busy it is.';
comment on column auth.session.ended_at is
  'When it was ended; null: it was not. Set together with ended_reason to end it.';
comment on column auth.session.ended_reason is
  'Why it was ended; docs/sql.md lists the reasons.';
comment on index auth.session_user_id_idx is
  'For the cascade.';
comment on index auth.session_subject_idx is
  'To list, count and end the sessions of a subject.';
comment on index auth.session_last_seen_at_idx is
  'To prune.';
comment on table auth.refresh_token is
  'Refresh tokens by digest, used ones included until they expire.';
comment on column auth.refresh_token.digest is
  'SHA-256 of the token as the cookie carries it.';
comment on column auth.refresh_token.family is
  'The session: all tokens descended from one login.';
comment on column auth.refresh_token.salt is
  'Random; with the token itself it gives the successor.';
comment on column auth.refresh_token.proof is
  'SHA-256 of what the `jti` of the access tokens that were minted with it begins with; null: none was.';
comment on column auth.refresh_token.issued_at is
  'When it was made.';
comment on column auth.refresh_token.expires_at is
  'From when on it is good for nothing.';
comment on column auth.refresh_token.replaced_at is
  'When it was first used: the start of its grace window. Null: not used yet.';
comment on index auth.refresh_token_expires_at_idx is
  'To prune.';
comment on index auth.refresh_token_family_issued_at_idx is
  'How many tokens a session was given lately, and their proofs; to find and delete all of them.';
comment on index auth.refresh_token_unused_idx is
  'Whether a session is live, however many tokens it has used.';
comment on table auth_private.ended_session is
  'Claims `sid` that were revoked while an access token with them may still be within its time.';
comment on column auth_private.ended_session.sid is
  'The claim `sid` of those tokens.';
comment on column auth_private.ended_session.until is
  'When the last of them will have expired.';
comment on index auth_private.ended_session_until_idx is
  'To list and to prune.';

reset role;
