-- A session is given a bounded number of refresh tokens in a minute.
--
-- A client renews once in ten minutes; one that renews in a loop would add rows as fast as the disk takes
-- them, and each would be a step on the way from a token used within the grace window to the live one. Now
-- that way has no more steps than there are tokens in a minute.
-- The look is taken under the lock of the session, so that no two requests see the same room. Who follows is
-- given the token that is there and adds none, so tabs and lost answers do not count.
--
-- Grants: nothing, to nobody.
-- Attacker: who has stolen a session can keep its holder from renewing it for as long as they go on; they
-- could end it as well.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (35, '0035_refresh_rate');

set local role auth_owner;

create index refresh_token_family_issued_at_idx on auth.refresh_token (family, issued_at);
drop index auth.refresh_token_family_idx;
create index refresh_token_unused_idx on auth.refresh_token (family) where replaced_at is null;

create function auth_private.refresh_tokens_per_minute() returns integer
  language sql immutable
  return 30;

create function auth_private.refuse_too_many_tokens(session uuid) returns void
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
  out session uuid,
  out username text,
  out token text,
  out expires_at timestamptz,
  out replayed boolean
)
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_digest constant bytea := auth_private.token_digest(presented);
  v_session auth.session;
begin
  replayed := false;
  select s.*
    into v_session
    from auth.session as s
   where s.id = (select t.family from auth.refresh_token as t where t.digest = v_digest)
     for no key update;
  session := v_session.id;
  username := v_session.username;
  if session is null or v_session.ended_at is not null or v_session.expires_at <= clock_timestamp() then
    return;
  end if;

  -- Asked before it is written: what is rolled back takes up room as well
  if exists (select from auth.refresh_token as t where t.digest = v_digest and t.replaced_at is null) then
    perform auth_private.refuse_too_many_tokens(session);
  end if;
  select t.token, t.expires_at into token, expires_at from auth_private.swap_refresh_token(presented) as t;
  if token is null then
    select t.token, t.expires_at, t.replayed
      into token, expires_at, replayed
      from auth_private.follow_refresh_token(presented) as t;
  end if;
  if replayed then
    perform auth_private.end_session(session, 'refresh_replayed');
  end if;
end
$$;

comment on index auth.refresh_token_family_issued_at_idx is
  'How many tokens a session was given lately; to find and delete all of them.';
comment on index auth.refresh_token_unused_idx is
  'Whether a session is live, however many tokens it has used.';
comment on function auth_private.refresh_tokens_per_minute() is
  'How many refresh tokens a session is given within a minute, its first included.';
comment on function auth_private.refuse_too_many_tokens(uuid) is
  'Raises PT429 if the session, whose lock the caller holds, may have no further refresh token yet.';
comment on function auth_private.rotate_refresh_token(text) is
  'Trades a token for its successor; whether the user may still have it, the caller asks. token is null '
  'if there is none; replayed: the session was ended, and the transaction must commit for that to last. '
  'Raises PT429 if the session has been given too many lately.';

reset role;
