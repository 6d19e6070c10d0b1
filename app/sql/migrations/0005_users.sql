-- auth.user, with the columns of the known recipes, and auth.identity:
--   insert into auth.user (username, password, role) values ('demo', 'demo', 'basic_subscriber');
-- Triggers (routines/21_users.sql, 22_passwords.sql) check name and role, and hash the password.
--
-- `id` is the key: random, never changed and never used again, so that it can be the claim `sub` and the key
-- of policies. Names and addresses change, and may go to another user. Tables may refer to either of `id` and
-- `username`.
--
-- An identity is known by its issuer and its subject together: the same subject of another issuer is another
-- person (OpenID Connect Core 1.0 section 5.7).
--
-- The constraint on `password` makes sure that the column can hold nothing but a bcrypt hash, even with
-- the triggers off. Costs below 10 come with users of another system, until their next login. Only a guest
-- has none.
--
-- An address is the user's once it was verified. Nothing but the owner sets one that is not.
--
-- Grants: none; row level security with no policy, should an owner grant by mistake.
-- Attacker: a reader of the tables gets names, addresses, roles and bcrypt hashes; a writer gets any
-- assignable role.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (5, '0005_users');

set local role auth_owner;

create table auth.user (
  id uuid not null default gen_random_uuid()
    constraint user_id_pkey primary key,
  username text not null
    constraint user_username_key unique,
  email text,
  email_verified_at timestamptz,
  password text,
  role text not null,
  language text,
  data jsonb not null default '{}'
    constraint user_data_check check (jsonb_typeof(data) = 'object'),
  is_guest boolean not null default false,
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  constraint user_username_check
    check (username is nfc normalized and char_length(username) between 1 and 254),
  constraint user_email_check
    check (octet_length(email) <= 254 and email ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'),
  constraint user_email_verified_at_check check (email_verified_at is null or email is not null),
  constraint user_language_check check (language ~ '^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$'),
  constraint user_password_check
    check (coalesce(password ~ '^\$2a\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}(\$postgate1)?$', is_guest))
);

create index user_password_cost_idx on auth.user ((substr(password, 5, 2)::integer))
  where disabled_at is null;

create unique index user_email_idx on auth.user (lower(normalize(email, nfkc)));

create table auth.identity (
  issuer text not null
    constraint identity_issuer_check check (char_length(issuer) between 1 and 2048),
  subject text not null
    constraint identity_subject_check check (char_length(subject) between 1 and 255),
  user_id uuid not null
    constraint identity_user_id_fkey references auth.user (id) on delete cascade,
  created_at timestamptz not null default now(),
  constraint identity_issuer_subject_pkey primary key (issuer, subject)
);

create index identity_user_id_idx on auth.identity (user_id);

alter table auth.user enable row level security;
alter table auth.identity enable row level security;

comment on table auth.user is
  'Who may sign in.';
comment on column auth.user.id is
  'Random, and never changed. The `sub` claim.';
comment on column auth.user.username is
  'In its one form (auth_private.username_form). The `username` claim.';
comment on column auth.user.email is
  'The address of the user, or null. The `email` claim.';
comment on column auth.user.email_verified_at is
  'When the user proved to receive mail there; null: not yet. A new address sets it to null.';
comment on column auth.user.password is
  'Written as the plain password, stored as its bcrypt hash; null: a guest.';
comment on column auth.user.role is
  'The Postgres role of the user. Read anew at each login and refresh. The `role` claim.';
comment on column auth.user.language is
  'The language of mails, as a language tag; null: unknown.';
comment on column auth.user.data is
  'What the user has said of themselves: auth.update_profile() changes it.';
comment on column auth.user.is_guest is
  'Whether the user has neither address nor password yet.';
comment on column auth.user.created_at is
  'When the user was made.';
comment on column auth.user.disabled_at is
  'Since when the user can neither sign in nor refresh; null: the user can.';
comment on index auth.user_password_cost_idx is
  'For the dearest hash of those who may sign in, which each check of a password asks for.';
comment on index auth.user_email_idx is
  'No two users have one address, in whatever spelling.';
comment on table auth.identity is
  'Who a user is at other issuers.';
comment on column auth.identity.issuer is
  'Who vouches for the subject, as the claim `iss` has it.';
comment on column auth.identity.subject is
  'The name that the issuer never gives to another person: the claim `sub` of its tokens.';
comment on column auth.identity.user_id is
  'The user.';
comment on column auth.identity.created_at is
  'When it was tied to the user.';
comment on index auth.identity_user_id_idx is
  'To list the identities of a user, and for the cascade.';

reset role;
