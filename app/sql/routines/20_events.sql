-- auth.event: how rows are added and pruned, and why they are never changed.
--
-- A trigger holds that against a slip of the owner's as well: to delete rows early, disable it first.
--
-- Grants: none.
-- Attacker: chooses the user agent that is recorded.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.record_event(
  kind text,
  username text,
  session uuid default null,
  subject text default null
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into auth.event (at, kind, username, subject, session, address, user_agent)
  values (
    clock_timestamp(),
    record_event.kind,
    record_event.username,
    record_event.subject,
    record_event.session,
    auth_private.client_address(),
    auth_private.client_user_agent()
  );
end
$$;

create or replace function auth_private.record_session_event(kind text, session auth.session) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.record_event(
    kind,
    (select u.username from auth.user as u where u.id = session.user_id),
    session.id,
    session.subject
  );
end
$$;

create or replace function auth_private.record_session_event_once(kind text, session auth.session)
  returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not exists (
    select
      from auth.event as e
     where e.session = session.id and e.kind = record_session_event_once.kind
  ) then
    perform auth_private.record_session_event(kind, session);
  end if;
end
$$;

create or replace function auth_private.prune_events() returns void
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

create or replace function auth_private.tg_event__append_only() returns trigger
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

create or replace trigger event_100_append_only
  before update or delete on auth.event
  for each row execute function auth_private.tg_event__append_only();

create or replace trigger event_200_append_only
  before truncate on auth.event
  for each statement execute function auth_private.tg_event__append_only();

comment on function auth_private.record_event(text, text, uuid, text) is
  'Adds an event, with the address and the user agent of this request.';
comment on function auth_private.record_session_event(text, auth.session) is
  'Adds an event of a session and its subject.';
comment on function auth_private.record_session_event_once(text, auth.session) is
  'Adds an event of a session unless there is one of that kind: a client that repeats itself adds no rows.';
comment on function auth_private.prune_events() is
  'Deletes a few events that are old.';
comment on function auth_private.tg_event__append_only() is
  'Refuses to change events, or to delete one that is not old yet (55000).';
comment on trigger event_100_append_only on auth.event is
  'Against a change of single events.';
comment on trigger event_200_append_only on auth.event is
  'Against the loss of all.';

reset role;
