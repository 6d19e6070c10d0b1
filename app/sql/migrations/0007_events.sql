-- auth.event: who signed in, failed to, signed out, and what happened to accounts, for people who ask later.
--
-- Rows are added and never changed; they go when they are old (routines/20_events.sql).
-- There is no reference to users or sessions: what happened stays so when they are gone.
--
-- Grants: none; row level security with no policy, should an owner grant by mistake.
-- Attacker: a reader of the table learns who signs in from where; no password and no token is in it.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (7, '0007_events');

set local role auth_owner;

create table auth.event (
  id bigint generated always as identity
    constraint event_id_pkey primary key,
  at timestamptz not null,
  kind text not null
    constraint event_kind_check check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
  username text,
  subject text,
  session uuid,
  address text,
  user_agent text
);

create index event_at_idx on auth.event (at);
create index event_session_idx on auth.event (session);

alter table auth.event enable row level security;

comment on table auth.event is
  'What happened to accounts and sessions. Rows are only added, and deleted when they are old.';
comment on column auth.event.id is
  'In the order in which they were written.';
comment on column auth.event.at is
  'When it happened.';
comment on column auth.event.kind is
  'What happened; docs/sql.md lists the kinds.';
comment on column auth.event.username is
  'Whose account it was, under its name of that time. Null: of no user we know.';
comment on column auth.event.subject is
  'Whose account or session it was: the id of the user, or the foreign subject. Null: unknown.';
comment on column auth.event.session is
  'The session it was about, or null.';
comment on column auth.event.address is
  'From where it was done, as the gateway says; null straight through PostgREST and for the owner''s tools.';
comment on column auth.event.user_agent is
  'What the client called itself, cut to 256 characters; null for the owner''s tools.';
comment on index auth.event_at_idx is
  'To prune.';
comment on index auth.event_session_idx is
  'What happened in a session, and whether its replay was recorded already.';

reset role;
