-- What the owner does to users: recorded, and with the end of their sessions where that is due.
--
-- A new password, a disabled user and a deleted one end all sessions, whoever does it and by which statement.
--
-- Grants: nothing, to nobody: these are for auth_owner, for superusers and for members of auth_owner.
-- Attacker: who may execute these may lock users out.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (32, '0032_user_states');

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
    perform auth_private.end_sessions_of(
      new.username,
      case when new.disabled_at is null then 'password_set' else 'user_disabled' end
    );
  end if;
  return null;
end
$$;

create trigger user_500_end_sessions
  before delete on auth.user
  for each row execute function auth_private.tg_user__end_sessions();

create function auth_private.tg_user__record() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    perform auth_private.record_event('user_added', new.username);
  elsif tg_op = 'DELETE' then
    perform auth_private.record_event('user_deleted', old.username);
  else
    if new.username <> old.username then
      perform auth_private.record_event('user_renamed', new.username);
    end if;
    if new.role <> old.role then
      perform auth_private.record_event('role_changed', new.username);
    end if;
    -- One's own change, and a stronger hash of the same password, are not the owner's doing
    if new.password <> old.password and auth_private.setting('postgate.keep_sessions') is null then
      perform auth_private.record_event('password_set', new.username);
    end if;
    if (new.disabled_at is null) <> (old.disabled_at is null) then
      perform auth_private.record_event(
        case when new.disabled_at is null then 'user_enabled' else 'user_disabled' end, new.username
      );
    end if;
  end if;
  return null;
end
$$;

create trigger user_350_record -- before the sessions end, as the cause comes before what follows
  after insert or update or delete on auth.user
  for each row execute function auth_private.tg_user__record();

create function auth.disable_user(username text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update auth.user as u
     set disabled_at = coalesce(u.disabled_at, clock_timestamp())
   where u.username = auth_private.username_form(disable_user.username);
  if not found then
    raise no_data_found using message = 'there is no such user';
  end if;
end
$$;

create function auth.enable_user(username text) returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  update auth.user as u
     set disabled_at = null
   where u.username = auth_private.username_form(enable_user.username);
  if not found then
    raise no_data_found using message = 'there is no such user';
  end if;
end
$$;

drop function auth_private.revoke_families_of(text);

comment on function auth_private.tg_user__end_sessions() is
  'Ends all sessions of a user whose password was set, who was disabled, or who is deleted.';
comment on trigger user_500_end_sessions on auth.user is
  'Before the cascade, so that the sessions are ended like any others.';
comment on function auth_private.tg_user__record() is
  'Records what happens to a user.';
comment on trigger user_350_record on auth.user is
  'Whoever does it, by hand included.';
comment on function auth.disable_user(text) is
  'Ends all sessions of the user, who can neither sign in nor refresh from now on. For the owner''s tools.';
comment on function auth.enable_user(text) is
  'Lets a disabled user sign in again. For the owner''s tools.';

reset role;
