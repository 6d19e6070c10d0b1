-- auth.user, with the columns of the known recipes:
--   insert into auth.user (username, password, role) values ('demo', 'demo', 'basic_subscriber');
-- 0011 turns the password into its hash on the way in.
--
-- The constraint on `password` makes sure that the column can hold nothing but a bcrypt hash, even with
-- the triggers off.
--
-- Grants: nothing, to nobody; row level security with no policy, should someone grant by mistake.
-- Attacker: who reads the table gets names, roles and bcrypt hashes; who writes it gets any assignable
-- role.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (10, '0010_users');

set local role auth_owner;

create table auth.user (
  username text
    constraint user_username_pkey primary key,
  password text not null,
  role text not null,
  created_at timestamptz not null default now(),
  disabled_at timestamptz,
  constraint user_username_check
    check (username is nfc normalized and char_length(username) between 1 and 254),
  constraint user_password_check
    check (password ~ '^\$2a\$1[0-5]\$[./A-Za-z0-9]{53}$')
);

alter table auth.user enable row level security;

create function auth_private.tg_user__username() returns trigger
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

create function auth_private.tg_user__role() returns trigger
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

create trigger user_100_username
  before insert or update of username on auth.user
  for each row execute function auth_private.tg_user__username();

create trigger user_200_role
  before insert or update of role on auth.user
  for each row execute function auth_private.tg_user__role();

comment on table auth.user is
  'Who may sign in.';
comment on column auth.user.username is
  'In its one form (auth_private.username_form). The `username` and `sub` claims.';
comment on column auth.user.password is
  'Written as the plain password, stored as its bcrypt hash.';
comment on column auth.user.role is
  'The Postgres role of the user. Read anew at each login and refresh; the `role` claim.';
comment on column auth.user.created_at is
  'When the user was made.';
comment on column auth.user.disabled_at is
  'Since when the user can neither sign in nor refresh; null: the user can.';
comment on function auth_private.tg_user__username() is
  'Brings the user name into its one form, or refuses it (23514).';
comment on function auth_private.tg_user__role() is
  'Refuses a role that a user may not have (23503).';
comment on trigger user_100_username on auth.user is
  'First, since it is the cheapest to refuse.';
comment on trigger user_200_role on auth.user is
  'Before the password: a refused role costs no hashing.';

reset role;
