-- Every check of a password does as much work as the dearest hash of those who may sign in asks for.
--
-- Hashes dearer than bcrypt_cost() come from another system, or are left when the owner lowers that. Their
-- users' wrong passwords took longer than those of anybody else, unknown names included. So all of them take
-- as long, and a login brings a dear hash to today's cost, as it does with a cheap one: a refusal would lock
-- users out, and one dear hash would make every login dear for ever.
-- Whoever is disabled signs in no more and would leave a dear hash where it is: it does not count, and is not
-- checked either, but the stand-in that is checked for nobody.
--
-- Grants: nothing, to nobody.
-- Attacker: learns from the time of a check that there is a dear hash, and not whose.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (34, '0034_dear_hashes');

set local role auth_owner;

create index user_password_cost_idx on auth.user ((substr(password, 5, 2)::integer))
  where disabled_at is null;

create or replace function auth_private.password_matches(password text, hash text) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_password constant text := coalesce(password, '');
  v_hash constant text := coalesce(hash, auth_private.unmatchable_hash(auth_private.bcrypt_cost()));
  v_equal constant boolean := auth_private.bcrypt(v_password, v_hash) = v_hash;
  v_dearest constant integer := greatest(
    auth_private.bcrypt_cost(),
    (select max(substr(u.password, 5, 2)::integer) from auth.user as u where u.disabled_at is null)
  );
begin
  -- A hash of lower cost is quicker to check, which would tell its owner's name apart from an unknown one.
  -- 2^c + (2^c + 2^(c+1) + ... + 2^(n-1)) = 2^n
  for v_cost in substr(v_hash, 5, 2)::integer .. v_dearest - 1 loop
    perform auth_private.bcrypt(v_password, auth_private.unmatchable_hash(v_cost));
  end loop;
  return v_equal and auth_private.password_has_length(password) and hash is not null;
end
$$;

create or replace function auth.login(user_ text, pass text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_checked auth.user;
  v_user auth.user;
begin
  perform auth_private.refuse_read_only();
  perform auth_private.jwt_key(); -- a server that cannot sign says so to everyone alike

  select u.* into v_checked from auth.user as u where u.username = auth_private.username_form(user_);

  if not auth_private.password_matches(
    pass, case when v_checked.disabled_at is null then v_checked.password end
  ) then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;

  select u.* into v_user from auth.user as u where u.username = v_checked.username for no key update;
  if v_user.username is null
    or v_user.disabled_at is not null
    or not auth_private.role_is_assignable(v_user.role)
    -- changed since it was checked: by a new password, or by another login that brought it to today's cost
    or (
      v_user.password <> v_checked.password
      and not auth_private.password_matches(pass, v_user.password)
    )
  then
    raise sqlstate 'PT401' using message = 'Invalid user or password';
  end if;

  if substr(v_user.password, 5, 2)::integer <> auth_private.bcrypt_cost() then
    perform auth_private.strengthen_hash(v_user.username, pass);
  end if;
  -- The session whose cookie is about to be overwritten would live on with nobody to end it
  perform auth_private.end_session(
    auth_private.session_of_token(auth_private.presented_refresh_token()), 'signed_in_again'
  );
  perform auth_private.start_session(v_user.username, v_user.role);
end
$$;

comment on index auth.user_password_cost_idx is
  'For the dearest hash of those who may sign in, which each check of a password asks for.';

reset role;
