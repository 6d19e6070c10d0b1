-- auth.registration and auth.invitation_right: who may become a user, and with which role.
--
-- The owner changes the one row, and adds rights:
--   update auth.registration set mode = 'open', role = 'basic_subscriber';
--   insert into auth.invitation_right values ('editor', 'author');
-- They are in the database and not with each request, so they hold for every client of the functions.
--
-- Grants: none; row level security with no policy, should an owner grant by mistake.
-- Attacker: a writer may open the registration, with any assignable role.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (10, '0010_registration');

set local role auth_owner;

create table auth.registration (
  is_only_row boolean not null default true
    constraint registration_is_only_row_pkey primary key
    constraint registration_is_only_row_check check (is_only_row),
  mode text not null default 'closed'
    constraint registration_mode_check check (mode in ('closed', 'invited', 'open')),
  role text,
  domains text[] not null default '{}',
  guest_role text,
  constraint registration_role_check check (mode <> 'open' or role is not null)
);

insert into auth.registration default values;

create table auth.invitation_right (
  inviter text not null,
  role text not null,
  constraint invitation_right_inviter_role_pkey primary key (inviter, role)
);

alter table auth.registration enable row level security;
alter table auth.invitation_right enable row level security;

comment on table auth.registration is
  'Who may become a user. It has one row.';
comment on column auth.registration.is_only_row is
  'Keeps it at one row.';
comment on column auth.registration.mode is
  '`closed`: only the owner adds users; `invited`: invitations do too; `open`: anyone with an address may '
  'register as well.';
comment on column auth.registration.role is
  'The Postgres role of users who register.';
comment on column auth.registration.domains is
  'The domains of the addresses that may register, in lower case; empty: all.';
comment on column auth.registration.guest_role is
  'The Postgres role of guests; null: there are no guests.';
comment on table auth.invitation_right is
  'Which role may invite users of which role.';
comment on column auth.invitation_right.inviter is
  'The Postgres role of the user who invites.';
comment on column auth.invitation_right.role is
  'The Postgres role of the user to be.';

reset role;
