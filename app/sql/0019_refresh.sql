-- auth.refresh_token(): a new access token for a live session, and the next refresh token.
--
-- Role and state of the user are read anew: a change of role takes effect here.
--
-- Raising undoes everything, so a refused refresh has spent no token. Therefore a replay is answered by
-- response.status instead: its revocation of the family must be committed, or the thief's token would
-- live on. That answer is a 401 without a body, and it clears the cookies.
--
-- Grants: execute to anon (the gateway always calls as anon) and to signed_in.
-- Attacker: needs a refresh token; 256 random bits are not guessed.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (19, '0019_refresh');

set local role auth_owner;

create function auth.refresh_token() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_next record;
  v_role text;
begin
  perform auth_private.refuse_read_only();

  select t.*
    into v_next
    from auth_private.rotate_refresh_token(auth_private.presented_refresh_token()) as t;

  if v_next.replayed then
    perform set_config('response.status', '401', true);
    perform auth_private.clear_cookies();
    return;
  end if;

  select u.role
    into v_role
    from auth.user as u
   where u.username = v_next.username
     and v_next.token is not null
     and u.disabled_at is null
     and auth_private.role_is_assignable(u.role);
  if not found then
    raise sqlstate 'PT401' using message = 'Invalid or expired refresh token';
  end if;

  perform auth_private.send_cookies(
    auth_private.mint_access_token(v_next.username, v_role), v_next.token, v_next.expires_at
  );
  perform auth_private.prune_refresh_tokens();
end
$$;

grant execute on function auth.refresh_token() to anon, signed_in;

comment on function auth.refresh_token() is
  'Renew the session: sets both cookies anew, or answers 401.';

reset role;
