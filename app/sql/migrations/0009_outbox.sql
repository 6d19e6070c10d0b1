-- auth.one_time_code and auth.outbox: codes that are sent by mail, and the mails that wait.
--
-- A code itself is in neither table. It follows from its id under a key that the gateway hands to each
-- transaction, so a reader of the database, or of a dump, has no code that signs in.
--
-- A request for an address without an account writes a row of each table too, without user and address. It
-- is void from the start and never sent, so the work is the same for every address.
--
-- Grants: none; row level security with no policy, should an owner grant by mistake.
-- Attacker: a reader gets addresses, who asked for what, and bcrypt hashes of registrations that are not
-- verified yet; a writer can make codes last longer, and send mails of the templates to any address.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (9, '0009_outbox');

set local role auth_owner;

create table auth.one_time_code (
  id uuid not null default gen_random_uuid()
    constraint one_time_code_id_pkey primary key,
  purpose text not null
    constraint one_time_code_purpose_check check (purpose in (
      'verify_email', 'reset_password', 'sign_in', 'change_email', 'invitation', 'notice'
    )),
  request uuid not null default gen_random_uuid()
    constraint one_time_code_request_key unique,
  user_id uuid
    constraint one_time_code_user_id_fkey references auth.user (id) on delete cascade,
  address text,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz not null,
  attempts integer not null default 0,
  used_at timestamptz,
  voided_at timestamptz,
  data jsonb not null default '{}'
    constraint one_time_code_data_check check (jsonb_typeof(data) = 'object'),
  constraint one_time_code_expires_at_check check (expires_at > created_at)
);

create index one_time_code_user_id_idx on auth.one_time_code (user_id);
create index one_time_code_address_idx on auth.one_time_code (lower(normalize(address, nfkc)), created_at);
create index one_time_code_expires_at_idx on auth.one_time_code (expires_at);

create index one_time_code_inviter_idx on auth.one_time_code ((data ->> 'inviter'), created_at)
  where purpose = 'invitation';

create table auth.outbox (
  id uuid not null default gen_random_uuid()
    constraint outbox_id_pkey primary key,
  purpose text not null
    constraint outbox_purpose_check check (purpose in (
      'verify_email', 'reset_password', 'sign_in', 'change_email', 'invitation', 'notice'
    )),
  code_id uuid
    constraint outbox_code_id_fkey references auth.one_time_code (id) on delete cascade,
  user_id uuid
    constraint outbox_user_id_fkey references auth.user (id) on delete set null,
  address text,
  language text,
  data jsonb not null default '{}'
    constraint outbox_data_check check (jsonb_typeof(data) = 'object'),
  created_at timestamptz not null default clock_timestamp(),
  attempts integer not null default 0,
  next_attempt_at timestamptz not null default clock_timestamp(),
  leased_until timestamptz,
  lease uuid,
  sent_at timestamptz,
  failed_at timestamptz,
  last_error text,
  message_id text,
  constraint outbox_sent_at_check check (sent_at is null or failed_at is null)
);

create index outbox_code_id_idx on auth.outbox (code_id);
create index outbox_user_id_idx on auth.outbox (user_id);
create index outbox_next_attempt_at_idx on auth.outbox (next_attempt_at)
  where sent_at is null and failed_at is null;
create index outbox_address_idx on auth.outbox (lower(normalize(address, nfkc)), created_at);
create index outbox_created_at_idx on auth.outbox (created_at);

alter table auth.one_time_code enable row level security;
alter table auth.outbox enable row level security;

comment on table auth.one_time_code is
  'Codes that were sent by mail, without the codes themselves.';
comment on column auth.one_time_code.id is
  'The code is derived from it and from the key of the gateway.';
comment on column auth.one_time_code.purpose is
  'What the code is for. It is rejected for any other purpose.';
comment on column auth.one_time_code.request is
  'What the client that asked for the code got, and sends back with it.';
comment on column auth.one_time_code.user_id is
  'The user; null: an address without one.';
comment on column auth.one_time_code.address is
  'The address that the code was sent to; null: it was not sent.';
comment on column auth.one_time_code.created_at is
  'When it was requested.';
comment on column auth.one_time_code.expires_at is
  'From when on it is rejected.';
comment on column auth.one_time_code.attempts is
  'How many times a code was presented.';
comment on column auth.one_time_code.used_at is
  'When the right code was presented; null: not yet.';
comment on column auth.one_time_code.voided_at is
  'From when on it is void, as a later one replaces it, or its account has changed; null: it is not.';
comment on column auth.one_time_code.data is
  'What its use needs: the new user of a registration, the role of an invitation, the address to restore.';
comment on index auth.one_time_code_user_id_idx is
  'To void the codes of a user, and for the cascade.';
comment on index auth.one_time_code_address_idx is
  'To void the codes that were sent to an address.';
comment on index auth.one_time_code_expires_at_idx is
  'To prune.';
comment on index auth.one_time_code_inviter_idx is
  'To count the invitations of a user.';
comment on table auth.outbox is
  'Mails that wait to be sent, and those sent lately.';
comment on column auth.outbox.id is
  'The mail. Its Message-ID is made from it, so that a mail sent twice is recognized.';
comment on column auth.outbox.purpose is
  'The template.';
comment on column auth.outbox.code_id is
  'The code that the mail shows, or null.';
comment on column auth.outbox.user_id is
  'The user, or null.';
comment on column auth.outbox.address is
  'The address it goes to; null: it is not sent.';
comment on column auth.outbox.language is
  'The language of the user, or else of the request, as a language tag; null: unknown.';
comment on column auth.outbox.data is
  'What the template shows.';
comment on column auth.outbox.created_at is
  'When it was written.';
comment on column auth.outbox.attempts is
  'How many times a worker has taken it.';
comment on column auth.outbox.next_attempt_at is
  'From when on a worker takes it.';
comment on column auth.outbox.leased_until is
  'Until when one worker has it; null: none has.';
comment on column auth.outbox.lease is
  'The lease of that worker: a later lease makes it void.';
comment on column auth.outbox.sent_at is
  'When the mail server accepted it; null: not yet.';
comment on column auth.outbox.failed_at is
  'When it was given up; null: it was not.';
comment on column auth.outbox.last_error is
  'What the mail server said last.';
comment on column auth.outbox.message_id is
  'Its Message-ID, from the first lease on.';
comment on index auth.outbox_code_id_idx is
  'For the cascade.';
comment on index auth.outbox_user_id_idx is
  'For the cascade.';
comment on index auth.outbox_next_attempt_at_idx is
  'To find the mails that are due.';
comment on index auth.outbox_address_idx is
  'To count the mails to an address, and to delay them when it fails.';
comment on index auth.outbox_created_at_idx is
  'To prune.';

reset role;
