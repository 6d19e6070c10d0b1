-- The effects of a change of a user on the user's sessions.
--
-- A new name or password, disabling and deleting end all sessions of a user, by whichever statement: access
-- tokens say the name, policies may go by it, and the old name may be given to another user. A new role or
-- address keeps the sessions, and revokes their access tokens alone: the next renewal brings one with
-- the new role and address.
--
-- Grants: none.
-- Attacker: without this, the thief of a leaked password stays signed in; the rows of the user that was given
-- an old name, and the rights of an old role, for ten minutes.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.tg_user__revoke_access_tokens() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_session auth.session;
begin
  -- A refresh in progress holds its session, and has read the old role: its token is revoked as well
  for v_session in
    select s.*
      from auth.session as s
     where s.user_id = new.id and s.ended_at is null
     order by s.id
       for no key update
  loop
    perform auth_private.announce_end(v_session.sid);
    update auth.session as s set sid = gen_random_uuid() where s.id = v_session.id;
  end loop;
  return null;
end
$$;

create or replace trigger user_450_revoke_access_tokens
  after update on auth.user -- of any column: a trigger of the owner's may set the role
  for each row
  when (old.role is distinct from new.role or old.email is distinct from new.email)
  execute function auth_private.tg_user__revoke_access_tokens();

create or replace function auth_private.tg_user__end_sessions() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'DELETE' then
    perform auth_private.end_sessions_of_subject(old.id::text, 'user_deleted');
    return old;
  end if;
  if auth_private.setting('postgate.keep_sessions') is null then
    perform auth_private.end_sessions_of_subject(
      new.id::text,
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

create or replace trigger user_500_end_sessions
  before delete on auth.user
  for each row execute function auth_private.tg_user__end_sessions();

comment on function auth_private.tg_user__revoke_access_tokens() is
  'Revokes the access tokens of a user who has another role or address; the sessions go on.';
comment on trigger user_450_revoke_access_tokens on auth.user is
  'After the sessions that the same statement may have ended.';
comment on function auth_private.tg_user__end_sessions() is
  'Ends all sessions of a user whose name or password was set, who was disabled, or who is deleted.';
comment on trigger user_400_end_sessions on auth.user is
  'After the change, under the row lock that a login in flight waits for.';
comment on trigger user_500_end_sessions on auth.user is
  'Before the cascade, so that the sessions are ended like any others.';

reset role;
