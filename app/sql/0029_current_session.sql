-- Which session a request belongs to: the question before every function that concerns one's account.
--
-- The verified claim `sid` answers it where there is one: straight through PostgREST. It must be of a live
-- session; a cookie does not stand in for it. Else the refresh cookie does, as the gateway calls without
-- claims: a token that was not used yet, or one used within the grace window, so that a tab that lost a
-- race is not told to sign in.
--
-- Who is going to change something holds the user and the session, and asks again: what ends the session
-- at the same time comes before or after, and never in between.
--
-- Grants: nothing, to nobody.
-- Attacker: needs an access token of a live session, or a live refresh token.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (29, '0029_current_session');

set local role auth_owner;

create function auth_private.current_session() returns auth.session
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

create function auth_private.hold_current_session() returns auth.session
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session := auth_private.current_session();
begin
  -- Again if the user was renamed while we waited
  loop
    perform from auth.user as u where u.username = v_session.username for no key update;
    exit when found;
    select s.* into v_session from auth.session as s where s.id = v_session.id;
    exit when not found;
  end loop;

  select s.* into v_session from auth.session as s where s.id = v_session.id for no key update;
  if v_session.id is null
    or not auth_private.session_is_live(v_session)
    or exists (
      select from auth.user as u where u.username = v_session.username and u.disabled_at is not null
    )
  then
    raise sqlstate 'PT401' using message = 'Sign in to continue';
  end if;
  return v_session;
end
$$;

comment on function auth_private.current_session() is
  'The live session of this request; raises PT401 if there is none.';
comment on function auth_private.hold_current_session() is
  'The live session of this request, its user and itself locked; raises PT401 if there is none.';

reset role;
