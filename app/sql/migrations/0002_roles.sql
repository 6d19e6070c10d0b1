-- The five roles, made if missing. A role that exists is never altered; one that is a superuser is
-- refused, because everything below would be void.
--
--   anon           what PostgREST and the gateway become for a client without a session
--   authenticator  the login of PostgREST; `noinherit`: it holds nothing until it becomes a role
--   gateway        the login of the gateway; may become anon and nothing else
--   signed_in      a group: grant it to your own roles and they may use the auth functions
--   auth_owner     owns the schemas auth and auth_private; no login. Definer functions run
--                  as it and not as the superuser who migrates, so a hole in one of them reaches two
--                  tables, and not the server's files
--
-- Grants: anon to authenticator and to gateway; auth_owner to the role that migrates, unless that is a
-- superuser. No passwords: set them with \password.
-- Attacker: a holder of the gateway's login may call what anon may call.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (2, '0002_roles');

do $$
declare
  v_name text;
  v_attributes text;
  v_purpose text;
begin
  for v_name, v_attributes, v_purpose in
    values
      ('anon', 'nologin noinherit', 'A client without a session.'),
      ('authenticator', 'login noinherit', 'The login of PostgREST.'),
      ('gateway', 'login noinherit', 'The login of the gateway: becomes anon, holds nothing itself.'),
      ('signed_in', 'nologin noinherit', 'Grant this to your own roles: it may use the auth functions.'),
      ('auth_owner', 'nologin noinherit', 'Owns the schemas auth and auth_private; not a login.')
  loop
    if not exists (select from pg_roles as r where r.rolname = v_name) then
      begin
        execute format('create role %I %s', v_name, v_attributes);
        execute format('comment on role %I is %L', v_name, v_purpose);
      exception when duplicate_object or unique_violation then
        null; -- roles belong to the whole cluster: another database was migrated just now
      end;
    end if;
    if exists (select from pg_roles as r where r.rolname = v_name and r.rolsuper) then
      raise invalid_role_specification using
        message = format('the role %I is a superuser', v_name),
        hint = 'Take the attribute away, or rename the role: Postgate needs it powerless.';
    end if;
  end loop;

  -- PostgreSQL 16 and newer warn of a second grant by another grantor: ask first
  if not pg_has_role('authenticator', 'anon', 'member') then
    grant anon to authenticator;
  end if;
  if not pg_has_role('gateway', 'anon', 'member') then
    grant anon to gateway;
  end if;
  -- `usage` and not `member`: from 16 on, who creates a role may administer it but not act as it
  if not pg_has_role(current_user, 'auth_owner', 'usage') then
    grant auth_owner to current_user;
  end if;
end
$$;
