-- auth.logout(): the end of the session whose refresh token the client holds.
--
-- The token is its own proof: any token of the session will do, and without one there is nothing to end
-- but cookies to clear. It always succeeds.
--
-- Grants: execute to anon (the gateway always calls as anon) and to signed_in.
-- Attacker: can end a session by holding a token of it.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (18, '0018_logout');

set local role auth_owner;

create function auth.logout() returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.refuse_read_only();
  perform auth_private.revoke_family_of_token(auth_private.presented_refresh_token());
  perform auth_private.clear_cookies();
end
$$;

grant execute on function auth.logout() to anon, signed_in;

comment on function auth.logout() is
  'Sign out: ends the session and clears its cookies.';

reset role;
