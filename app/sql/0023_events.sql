-- auth.event: who signed in, failed to, signed out, and what happened to accounts, for people who ask later.
--
-- Rows are added and never changed; they go when they are old. A trigger holds that, against a slip of the
-- owner's as well: to delete rows early one must say so, by disabling it.
-- There is no reference to users or sessions: what happened stays so when they are gone.
--
-- Grants: nothing, to nobody; row level security with no policy, should someone grant by mistake.
-- Attacker: who reads the table learns who signs in from where; no password and no token is in it.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (23, '0023_events');

set local role auth_owner;

create table auth.event (
  id bigint generated always as identity
    constraint event_id_pkey primary key,
  at timestamptz not null,
  kind text not null
    constraint event_kind_check check (kind ~ '^[a-z][a-z0-9_]{0,62}$'),
  username text,
  session uuid,
  address text,
  user_agent text
);

create index event_at_idx on auth.event (at);
create index event_session_idx on auth.event (session);

alter table auth.event enable row level security;

-- In hours, as every life here: a day of the calendar has 23 to 25
create function auth_private.event_life() returns interval
  language sql immutable
  return interval '2160 hours';

create function auth_private.record_event(kind text, username text, session uuid default null) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into auth.event (at, kind, username, session, address, user_agent)
  values (
    clock_timestamp(),
    record_event.kind,
    record_event.username,
    record_event.session,
    auth_private.client_address(),
    auth_private.client_user_agent()
  );
end
$$;

create function auth_private.prune_events() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from auth.event as e
   where e.id in (
     select past.id
       from auth.event as past
      where past.at < now() - auth_private.event_life()
      order by past.at
      limit 20
      for update skip locked
   );
end
$$;

create function auth_private.tg_event__append_only() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' and old.at < now() - auth_private.event_life() then
    return old;
  end if;
  raise object_not_in_prerequisite_state using
    message = 'events are only added, and deleted when they are old',
    hint = 'To delete some early: alter table auth.event disable trigger user, in one transaction.',
    schema = 'auth', table = 'event';
end
$$;

create trigger event_100_append_only
  before update or delete on auth.event
  for each row execute function auth_private.tg_event__append_only();

create trigger event_200_append_only
  before truncate on auth.event
  for each statement execute function auth_private.tg_event__append_only();

comment on table auth.event is
  'What happened to accounts and sessions. Rows are only added, and deleted when they are old.';
comment on column auth.event.id is
  'In the order in which they were written.';
comment on column auth.event.at is
  'When it happened.';
comment on column auth.event.kind is
  'What happened; docs/sql.md lists the kinds.';
comment on column auth.event.username is
  'Whose account it was, under its name of that time. Null: of nobody we know.';
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
comment on function auth_private.event_life() is
  'How long an event is kept.';
comment on function auth_private.record_event(text, text, uuid) is
  'Adds an event, with the address and the user agent of this request.';
comment on function auth_private.prune_events() is
  'Deletes a few events that are old.';
comment on function auth_private.tg_event__append_only() is
  'Refuses to change events, or to delete one that is not old yet (55000).';
comment on trigger event_100_append_only on auth.event is
  'Against a change of single events.';
comment on trigger event_200_append_only on auth.event is
  'Against the loss of all.';

reset role;
