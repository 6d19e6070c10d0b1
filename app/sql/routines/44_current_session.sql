-- Which session a request belongs to: the question before every function that concerns one's account.
--
-- The claims of the request decide where they name a session (`sid`) and prove that they are those of an
-- access token minted for it; a cookie does not stand in for one that is over. Else the refresh cookie does:
-- a token that was not used yet, or one used within the grace window, so that a tab that lost a race need
-- not sign in.
--
-- The proof: request.jwt.claims is a setting that any login with a right to run statements can write, the
-- gateway's included, and a `sid` stands in logs. The `jti` of an access token begins with 256 bits derived
-- from the refresh token it was minted with; the row of that token keeps their digest. They are written to
-- no log, and a reader of the table can make neither. The digest counts for as long as the token can live.
--
-- A function that changes something holds the subject and the session, and asks again: what ends the session
-- at the same time comes before or after, and never in between.
--
-- Grants: none.
-- Attacker: needs an access token of a live session, or a live refresh token.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.claimed_session() returns uuid
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_claims constant jsonb := auth_private.json_setting('request.jwt.claims');
  -- The last access token with this proof is minted when the grace window ends; clocks differ
  v_since constant timestamptz := statement_timestamp()
    - auth_private.refresh_token_grace()
    - make_interval(secs => auth_private.access_token_life())
    - interval '1 minute';
begin
  return (
    select s.id
      from auth.session as s
     where s.sid = auth_private.canonical_uuid(v_claims ->> 'sid')
       and exists (
         select
           from auth.refresh_token as t
          where t.family = s.id
            and t.issued_at > v_since
            and t.proof = auth_private.token_digest(split_part(v_claims ->> 'jti', '.', 1))
       )
  );
end
$$;

create or replace function auth_private.current_session() returns auth.session
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session;
begin
  if auth_private.json_setting('request.jwt.claims') ->> 'sid' is not null then
    select s.* into v_session from auth.session as s where s.id = auth_private.claimed_session();
  else
    select s.*
      into v_session
      from auth.refresh_token as t
      join auth.session as s on s.id = t.family
     where t.digest = auth_private.token_digest(auth_private.presented_refresh_token())
       and t.expires_at > statement_timestamp()
       and coalesce(t.replaced_at > statement_timestamp() - auth_private.refresh_token_grace(), true);
  end if;

  if v_session.id is null or not auth_private.session_is_live(v_session) then
    raise sqlstate 'PT401' using message = 'Sign in to continue';
  end if;
  return v_session;
end
$$;

create or replace function auth_private.hold_current_session() returns auth.session
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session := auth_private.current_session();
begin
  perform auth_private.hold_subject(v_session.subject);
  select s.* into v_session from auth.session as s where s.id = v_session.id for no key update;
  if v_session.id is null
    or not auth_private.session_is_live(v_session)
    or exists (
      select from auth.user as u where u.id = v_session.user_id and u.disabled_at is not null
    )
  then
    raise sqlstate 'PT401' using message = 'Sign in to continue';
  end if;
  return v_session;
end
$$;

comment on function auth_private.claimed_session() is
  'The session that the claim `sid` names and the claim `jti` proves, or null.';
comment on function auth_private.current_session() is
  'The live session of this request; raises PT401 if there is none.';
comment on function auth_private.hold_current_session() is
  'The live session of this request, its subject and itself locked; raises PT401 if there is none.';

reset role;
