-- Rotation: a refresh token is traded for its successor, once.
--
-- The first request with a token locks the session, so that everything below sees a family that no other
-- request changes. The rotation itself is one statement, a compare and swap on the database's time.
-- A browser with ten tabs, and a mobile client whose response was lost, present the same token several
-- times without any theft. So for a short while after its first use a token gets the same
-- successor; the window counts from the first use and is never prolonged, and no token of an ended session
-- profits from it. A second use from another address or user agent is recorded. Later it is a replay: thief
-- and owner cannot be distinguished, so the session ends.
-- All times are the database's, read when they are needed: `now()` stands still while a statement waits.
--
-- A session is given a bounded number of tokens in a minute: a client that renews in a loop would add rows
-- as fast as the disk takes them, and each would be one more step from a used token to the live one. The
-- number is read under the lock of the session. A request that follows is given the token that is there.
--
-- Grants: none.
-- Attacker: a stolen token that is used first is detected when the owner comes after the window; one that
-- is used second signs both out. A thief of a session can keep its holder from renewing it by
-- renewing it all the time; it could end it as well.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

-- Compare and swap: of all who come with the same token, one wins
create or replace function auth_private.swap_refresh_token(
  presented text,
  out token text,
  out expires_at timestamptz
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  with used as (
    update auth.refresh_token as t
       set replaced_at = clock_timestamp()
      from auth.session as s
     where t.digest = auth_private.token_digest(presented)
       and t.replaced_at is null
       and t.expires_at > clock_timestamp()
       and s.id = t.family
       and s.ended_at is null
       and s.expires_at > clock_timestamp()
    returning
      t.family,
      t.replaced_at,
      auth_private.token_successor(presented, t.salt) as successor,
      least(t.replaced_at + auth_private.refresh_token_life(), s.expires_at) as expires_at
  ), seen as (
    update auth.session as s
       set last_seen_at = used.replaced_at,
           address = coalesce(auth_private.client_address(), s.address),
           user_agent = coalesce(auth_private.client_user_agent(), s.user_agent)
      from used
     where s.id = used.family
  ), born as (
    insert into auth.refresh_token as b (digest, family, salt, proof, issued_at, expires_at)
    select
      auth_private.token_digest(used.successor),
      used.family,
      auth_private.random_bytes(32),
      auth_private.token_digest(auth_private.token_proof(used.successor)),
      used.replaced_at,
      used.expires_at
      from used
    returning b.expires_at
  )
  select used.successor, born.expires_at
    into token, expires_at
    from used
   cross join born;
end
$$;

-- For the losers of the race: from a token that was used within the window to the live one of its family.
-- Usually that is one step. It is more if another tab has refreshed since: its used token would make the
-- next refresh a replay
create or replace function auth_private.follow_refresh_token(
  presented text,
  out token text,
  out expires_at timestamptz,
  out replayed boolean
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- Read once: the next tokens were used later, and must not be late when the first was not
  v_now constant timestamptz := clock_timestamp();
  v_token text := presented;
  v_row auth.refresh_token;
begin
  replayed := false;
  loop
    select t.* into v_row from auth.refresh_token as t where t.digest = auth_private.token_digest(v_token);
    if not found or v_row.expires_at <= v_now then
      return;
    end if;
    exit when v_row.replaced_at is null;
    if v_row.replaced_at <= v_now - auth_private.refresh_token_grace() then
      replayed := true;
      return;
    end if;
    v_token := auth_private.token_successor(v_token, v_row.salt);
  end loop;
  token := v_token;
  expires_at := v_row.expires_at;
end
$$;

create or replace function auth_private.refuse_too_many_tokens(session uuid) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  -- Read once: an index is of no use to a comparison with what changes from row to row
  v_since constant timestamptz := clock_timestamp() - interval '1 minute';
begin
  if (
    select count(*)
      from auth.refresh_token as t
     where t.family = refuse_too_many_tokens.session
       and t.issued_at > v_since
  ) >= auth_private.refresh_tokens_per_minute()
  then
    raise sqlstate 'PT429' using message = 'This session was renewed too often: wait a minute';
  end if;
end
$$;

create or replace function auth_private.rotate_refresh_token(
  presented text,
  out session auth.session,
  out token text,
  out expires_at timestamptz,
  out replayed boolean
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_digest constant bytea := auth_private.token_digest(presented);
begin
  replayed := false;
  select s.*
    into session
    from auth.session as s
   where s.id = (select t.family from auth.refresh_token as t where t.digest = v_digest)
     for no key update;
  if session.id is null or session.ended_at is not null or session.expires_at <= clock_timestamp() then
    return;
  end if;

  -- Asked before it is written: what is rolled back takes up room as well
  if exists (select from auth.refresh_token as t where t.digest = v_digest and t.replaced_at is null) then
    perform auth_private.refuse_too_many_tokens(session.id);
  end if;
  select t.token, t.expires_at into token, expires_at from auth_private.swap_refresh_token(presented) as t;
  if token is null then
    select t.token, t.expires_at, t.replayed
      into token, expires_at, replayed
      from auth_private.follow_refresh_token(presented) as t;
    -- Two clients of one browser have one user agent, and as a rule one address (ASVS 5.0 6.3.5)
    if token is not null
      and (
        auth_private.client_address() <> session.address
        or auth_private.client_user_agent() <> session.user_agent
      )
    then
      perform auth_private.record_session_event_once('refresh_shared', session);
    end if;
  end if;
  if replayed then
    perform auth_private.end_session(session.id, 'refresh_replayed');
  end if;
end
$$;

comment on function auth_private.swap_refresh_token(text) is
  'Uses a token of a live session that was not used yet, and returns its successor; or null.';
comment on function auth_private.follow_refresh_token(text) is
  'The live token that a token used within the grace window has led to, or whether it is a replay.';
comment on function auth_private.refuse_too_many_tokens(uuid) is
  'Raises PT429 if the session, whose lock the caller holds, may have no further refresh token yet.';
comment on function auth_private.rotate_refresh_token(text) is
  'Trades a token for its successor; whether the user may still have it, the caller asks. token is null '
  'if there is none; replayed: the session was ended, and the transaction must commit for that to last. '
  'Raises PT429 if the session has been given too many lately.';

reset role;
