-- The end of a session, from whatever statement: one trigger makes it known to every gateway.
--
-- Its refresh tokens are useless from the same transaction on, as nothing renews a session with ended_at.
-- Its access tokens verify until they expire, so their `sid` is listed for as long as they can live, and
--   notify postgate_session_ended, '{"sid":"<uuid>","seconds":600}'
-- tells every gateway with the commit, and not before. A gateway that was not listening reads the list,
-- which does not refer to sessions: it outlives them when a user is deleted.
--
-- A function that locks several sessions holds the locks of their subjects, so that no two wait for each
-- other.
--
-- Grants: to the role gateway execute on auth.ended_sessions(), as it loads the list by its own login.
-- Attacker: a role that may notify on the channel can sign people out until their token expires: any role
-- that may connect and run statements. API roles run none through PostgREST but those you expose.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.announce_end(sid uuid) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_seconds constant integer := auth_private.access_token_life();
begin
  insert into auth_private.ended_session (sid, until)
  values (announce_end.sid, clock_timestamp() + make_interval(secs => v_seconds))
  on conflict do nothing;
  perform pg_notify('postgate_session_ended', format('{"sid":"%s","seconds":%s}', sid, v_seconds));
end
$$;

create or replace function auth_private.tg_session__end() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE'
    -- Nothing was minted for it lately, so no gateway has to hear of it: as a rule it is pruned
    and old.last_seen_at < now() - auth_private.refresh_token_grace()
                               - make_interval(secs => auth_private.access_token_life())
  then
    return null;
  end if;
  perform auth_private.announce_end(old.sid);
  perform auth_private.record_session_event(
    case
      when tg_op = 'UPDATE' and new.ended_reason in ('logout', 'refresh_replayed') then new.ended_reason
      else 'session_ended'
    end,
    old
  );
  return null;
end
$$;

create or replace trigger session_100_end
  after update of ended_at on auth.session
  for each row
  when (old.ended_at is null and new.ended_at is not null)
  execute function auth_private.tg_session__end();

create or replace trigger session_200_end
  after delete on auth.session
  for each row
  when (old.ended_at is null)
  execute function auth_private.tg_session__end();

create or replace function auth_private.end_listed_sessions(ids uuid[], reason text) returns integer
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_count integer;
begin
  if cardinality(ids) > 1 then
    perform auth_private.hold_subject(own.subject)
       from (
         select distinct s.subject from auth.session as s where s.id = any (ids) order by s.subject
       ) as own;
  end if;
  perform from auth.session as s where s.id = any (ids) order by s.id for no key update;

  update auth.session as s
     set ended_at = clock_timestamp(),
         ended_reason = coalesce(auth_private.legible(reason, 64), 'session_ended')
   where s.id = any (ids)
     and auth_private.session_is_live(s);
  get diagnostics v_count = row_count;
  return v_count;
end
$$;

create or replace function auth_private.end_session(id uuid, reason text) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  return auth_private.end_listed_sessions(
    array(select s.id from auth.session as s where end_session.id in (s.id, s.sid)), reason
  ) > 0;
end
$$;

create or replace function auth_private.end_sessions_of_subject(
  subject text,
  reason text,
  kept uuid default null
) returns integer
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- A login in progress holds this lock until its session is there to be ended
  perform auth_private.hold_subject(subject);
  return auth_private.end_listed_sessions(
    array(
      select s.id
        from auth.session as s
       where s.subject = end_sessions_of_subject.subject
         and s.ended_at is null
         and s.id is distinct from kept
    ),
    reason
  );
end
$$;

create or replace function auth_private.end_sessions_of(username text, reason text) returns integer
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  return coalesce(
    (
      select auth_private.end_sessions_of_subject(u.id::text, reason)
        from auth.user as u
       where u.username = auth_private.username_form(end_sessions_of.username)
    ),
    0
  );
end
$$;

create or replace function auth.ended_sessions() returns table (sid text, seconds integer)
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
    select e.sid::text, greatest(1, ceil(extract(epoch from e.until - statement_timestamp()))::integer)
      from auth_private.ended_session as e
      -- A minute more than the tokens have: a verifier may have another clock, and leeway
     where e.until > statement_timestamp() - interval '1 minute';
end
$$;

grant execute on function auth.ended_sessions() to gateway;

create or replace function auth_private.prune_ended_sessions() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from auth_private.ended_session as e
   where e.sid in (
     select past.sid
       from auth_private.ended_session as past
      where past.until < now() - interval '1 hour'
      order by past.until
      limit 20
      for update skip locked
   );
end
$$;

comment on function auth_private.announce_end(uuid) is
  'Lists the claim as revoked and notifies the gateways, with the commit.';
comment on function auth_private.tg_session__end() is
  'Announces and records the end of a session.';
comment on trigger session_100_end on auth.session is
  'Whoever sets ended_at, the owner by hand included.';
comment on trigger session_200_end on auth.session is
  'A session deleted alive has ended too.';
comment on function auth_private.end_listed_sessions(uuid[], text) is
  'Ends those of the sessions that are live, and says how many were.';
comment on function auth_private.end_session(uuid, text) is
  'Ends a session, named by its id or by the claim `sid` of its access tokens, as the log has it; false if '
  'there is none or it is over. For the owner''s tools.';
comment on function auth_private.end_sessions_of_subject(text, text, uuid) is
  'Ends the sessions of a subject, except for the one to keep, and says how many. For the owner''s tools.';
comment on function auth_private.end_sessions_of(text, text) is
  'Ends the sessions of the user with this name, and says how many. For the owner''s tools.';
comment on function auth.ended_sessions() is
  'The sessions whose access tokens are to be refused, and for how many seconds. For the gateway.';
comment on function auth_private.prune_ended_sessions() is
  'Deletes a few ended sessions whose tokens have long expired.';

reset role;
