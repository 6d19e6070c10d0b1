-- The rules for every row of auth.user, from whatever statement: the id, the form of the name, the role, and
-- the record.
--
-- The id never changes: tokens, policies and people's tables go by it.
--
-- A name has one form, applied alike where a user is made and where one signs in: Unicode NFC; 1 to 254
-- characters; case-sensitive, as in the known recipes; no control characters, no invisible ones (zero-width,
-- bidirectional controls, tags), no blank at either end. Blanks are rejected and not trimmed: a rate limiter
-- in front must count 'demo' and 'demo ' apart or refuse both, and can do either only if they cannot be the
-- same account.
--
-- The role of a user becomes the `role` claim, and PostgREST becomes that role. So it must exist, and no
-- role that it is a member of may be a superuser, able to create roles (which until PostgreSQL 15 is as
-- good), one of the server's own pg_* roles (pg_read_all_data reads the password hashes,
-- pg_execute_server_program runs a shell), or part of this machinery. `none` and `public` cannot be roles
-- at all. It is checked again at every login and refresh, as a role can change after its user was made.
--
-- Grants: none.
-- Attacker: the rows of another user, by taking over the id; two names that look the same, or two spellings
-- that reach one account behind a limiter; a token for the server's owner, made by a login that may insert
-- into auth.user.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.username_form(username text) returns text
  language sql immutable strict
  return (
    select n.form
      from (
        -- a megabyte is not worth normalizing to learn that it is too long
        select case when octet_length(username) <= 4096 then normalize(username, nfc) end as form
      ) as n
     where char_length(n.form) between 1 and 254
       -- C0, DEL, C1; soft hyphen; joiners, fillers and direction marks; variation selectors; tags
       and n.form !~ '[\u0001-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f]'
       and n.form !~ '[\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb]'
       and n.form !~ '[\U000e0000-\U000e0fff]'
       and n.form !~ '^[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]'
       and n.form !~ '[ \u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]$'
  );

create or replace function auth_private.role_is_assignable(role text) returns boolean
  language sql stable
  return exists (
    select
      from pg_roles as r
     where r.rolname::text = role_is_assignable.role
       and not exists (
         select
           from pg_roles as reachable -- pg_has_role counts the role itself
          where pg_has_role(r.oid, reachable.oid, 'member')
            and (
              reachable.rolsuper
              or reachable.rolcreaterole
              or starts_with(reachable.rolname::text, 'pg_')
              or reachable.rolname in ('auth_owner', 'authenticator', 'gateway')
            )
       )
  );

create or replace function auth_private.tg_user__id() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  raise object_not_in_prerequisite_state using
    message = 'the id of a user does not change',
    schema = 'auth', table = 'user', column = 'id';
end
$$;

create or replace function auth_private.tg_user__username() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_form text := auth_private.username_form(new.username);
begin
  if v_form is null then
    raise check_violation using
      message = 'the user name is not acceptable',
      hint = '1 to 254 characters, none of them invisible, and no blank at either end.',
      schema = 'auth', table = 'user', column = 'username';
  end if;
  new.username := v_form;
  return new;
end
$$;

create or replace function auth_private.tg_user__role() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if not auth_private.role_is_assignable(new.role) then
    raise foreign_key_violation using
      message = 'the role does not exist or may not be given to a user',
      hint = 'Create it first; it must not lead to a superuser, to a role that creates roles, to a '
             'pg_* role, or to auth_owner, authenticator or gateway.',
      schema = 'auth', table = 'user', column = 'role';
  end if;
  return new;
end
$$;

create or replace function auth_private.tg_user__record() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if tg_op = 'INSERT' then
    perform auth_private.record_event('user_added', new.username, subject => new.id::text);
  elsif tg_op = 'DELETE' then
    perform auth_private.record_event('user_deleted', old.username, subject => old.id::text);
  else
    if new.username <> old.username then
      perform auth_private.record_event('user_renamed', new.username, subject => new.id::text);
    end if;
    if new.role <> old.role then
      perform auth_private.record_event('role_changed', new.username, subject => new.id::text);
    end if;
    -- A change by the user, and a stronger hash of the same password, are no changes by the owner
    if new.password <> old.password and auth_private.setting('postgate.keep_sessions') is null then
      perform auth_private.record_event('password_set', new.username, subject => new.id::text);
    end if;
    if (new.disabled_at is null) <> (old.disabled_at is null) then
      perform auth_private.record_event(
        case when new.disabled_at is null then 'user_enabled' else 'user_disabled' end,
        new.username,
        subject => new.id::text
      );
    end if;
  end if;
  return null;
end
$$;

create or replace trigger user_050_id
  before update on auth.user
  for each row
  when (old.id is distinct from new.id)
  execute function auth_private.tg_user__id();

create or replace trigger user_100_username
  before insert or update of username on auth.user
  for each row execute function auth_private.tg_user__username();

create or replace trigger user_200_role
  before insert or update of role on auth.user
  for each row execute function auth_private.tg_user__role();

create or replace trigger user_350_record -- before the sessions end, as the cause comes before what follows
  after insert or update or delete on auth.user
  for each row execute function auth_private.tg_user__record();

comment on function auth_private.username_form(text) is
  'The user name in its one form, or null if it has none.';
comment on function auth_private.role_is_assignable(text) is
  'Whether a user may have this Postgres role: it exists, and cannot become anything with power over '
  'the server or over this schema.';
comment on function auth_private.tg_user__id() is
  'Refuses another id (55000).';
comment on function auth_private.tg_user__username() is
  'Brings the user name into its one form, or refuses it (23514).';
comment on function auth_private.tg_user__role() is
  'Refuses a role that a user may not have (23503).';
comment on function auth_private.tg_user__record() is
  'Records what happens to a user.';
comment on trigger user_050_id on auth.user is
  'Before all others.';
comment on trigger user_100_username on auth.user is
  'Before the role, since it is cheaper to refuse.';
comment on trigger user_200_role on auth.user is
  'Before the password: a refused role costs no hashing.';
comment on trigger user_350_record on auth.user is
  'Whoever does it, by hand included.';

reset role;
