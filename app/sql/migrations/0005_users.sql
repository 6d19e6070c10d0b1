-- auth.user, with the columns of the known recipes:
--   insert into auth.user (username, password, role) values ('demo', 'demo', 'basic_subscriber');
-- Triggers (routines/21_users.sql, 22_passwords.sql) check name and role, and hash the password.
--
-- The constraint on `password` makes sure that the column can hold nothing but a bcrypt hash, even with
-- the triggers off. Costs below 10 come with users of another system, until their next login.
--
-- Grants: none; row level security with no policy, should an owner grant by mistake.
-- Attacker: a reader of the table gets names, roles and bcrypt hashes; a writer gets any assignable role.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (5, '0005_users');

set local role auth_owner;

create table auth.user (
  username text
    constraint user_username_pkey primary key,
  password text not null,
  role text not null,
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  constraint user_username_check
    check (username is nfc normalized and char_length(username) between 1 and 254),
  constraint user_password_check
    check (password ~ '^\$2a\$(0[4-9]|1[0-5])\$[./A-Za-z0-9]{53}$')
);

create index user_password_cost_idx on auth.user ((substr(password, 5, 2)::integer))
  where disabled_at is null;

alter table auth.user enable row level security;

comment on table auth.user is
  'Who may sign in.';
comment on column auth.user.username is
  'In its one form (auth_private.username_form). The `username` and `sub` claims.';
comment on column auth.user.password is
  'Written as the plain password, stored as its bcrypt hash.';
comment on column auth.user.role is
  'The Postgres role of the user. Read anew at each login and refresh; the `role` claim.';
comment on column auth.user.created_at is
  'When the user was made.';
comment on column auth.user.disabled_at is
  'Since when the user can neither sign in nor refresh; null: the user can.';
comment on index auth.user_password_cost_idx is
  'For the dearest hash of those who may sign in, which each check of a password asks for.';

reset role;
