-- A new name ends all sessions of a user, as a new password does.
--
-- Access tokens say the name, and policies go by it (auth.username()). Those of before would speak in the old
-- name until they expire, and somebody else may be given that name meanwhile.
--
-- Grants: nothing, to nobody.
-- Attacker: nothing to gain; without this, the rows of whoever was given the old name, for ten minutes.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (36, '0036_renamed_users');

set local role auth_owner;

create or replace function auth_private.tg_user__end_sessions() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform auth_private.end_sessions_of(old.username, 'user_deleted');
    return old;
  end if;
  if auth_private.setting('postgate.keep_sessions') is null then
    -- The sessions have the new name by now: the foreign key's trigger comes before this one
    perform auth_private.end_sessions_of(
      new.username,
      case
        when new.disabled_at is not null then 'user_disabled'
        when new.password <> old.password then 'password_set'
        else 'user_renamed'
      end
    );
  end if;
  return null;
end
$$;

create or replace trigger user_400_end_sessions
  after update of username, password, disabled_at on auth.user
  for each row
  when (
    old.username is distinct from new.username
    or old.password is distinct from new.password
    or new.disabled_at is not null
  )
  execute function auth_private.tg_user__end_sessions();

comment on function auth_private.tg_user__end_sessions() is
  'Ends all sessions of a user whose name or password was set, who was disabled, or who is deleted.';
comment on trigger user_400_end_sessions on auth.user is
  'After the change, under the row lock that a login in flight waits for.';

reset role;
