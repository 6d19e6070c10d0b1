-- The settings that the owner may tune: names, ranges and defaults of the rows of auth.setting, and how they
-- are read.
--
-- Applied again, this changes all but `value`, which is the owner's. A value that a new range excludes makes
-- the whole upgrade fail, before anything is changed.
--
-- bcrypt_cost: 12 is the default of the usual bcrypt libraries, 0.29 s on one core of 2026 (10: 0.07 s, 13:
-- 0.57 s). A higher cost makes many logins at once a denial of service on the database; a lower one makes a
-- stolen table worth attacking. auth.user holds 15 at most.
-- refresh_token_grace: a thief who polls can follow a session within it (docs/sql.md), so it is short.
--
-- The values are read at each call: a primary key's look-up in a table of one page.
--
-- Grants: none.
-- Attacker: nothing to gain: the values are no secrets.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

insert into auth.setting (name, default_value, lowest, highest, unit, meaning) values
  ('access_token_life', 600, 30, 3600, 'seconds', 'how long an access token is valid'),
  ('refresh_token_life', 720, 1, 8760, 'hours', 'how long a session may go without renewal'),
  ('refresh_token_grace', 60, 0, 300, 'seconds', 'how long a used refresh token brings the same successor'),
  ('refresh_tokens_per_minute', 30, 2, 1000, 'tokens', 'how many refresh tokens a session gets in a minute'),
  ('session_life', 2160, 1, 17520, 'hours', 'how long a session lasts at most, however busy it is'),
  ('sessions_per_user', 20, 1, 10000, 'sessions', 'how many sessions a user has at most; the oldest ends'),
  ('event_life', 2160, 24, 87600, 'hours', 'how long an event is kept'),
  ('bcrypt_cost', 12, 10, 15, 'steps', 'the cost of new password hashes; each step doubles it'),
  ('password_length', 15, 8, 64, 'characters', 'how long a password that a user chooses is at least'),
  ('sign_in_codes', 0, 0, 1, 'switch', 'whether users may sign in with a code sent by mail; 1: they may'),
  ('sign_in_code_life', 10, 1, 10, 'minutes', 'how long a code to sign in is valid'),
  ('reset_code_life', 30, 5, 1440, 'minutes', 'how long a code to reset a password is valid'),
  ('verification_code_life', 24, 1, 24, 'hours', 'how long a code to verify an address is valid'),
  ('invitation_life', 72, 1, 72, 'hours', 'how long an invitation is valid'),
  ('cancellation_life', 168, 24, 720, 'hours', 'how long the change of an address can be cancelled'),
  ('reauthentication_life', 300, 60, 3600, 'seconds', 'for how long a sign-in permits sensitive changes'),
  ('mails_per_hour', 3, 1, 1000, 'mails', 'how many mails with a code an address gets in an hour'),
  ('mails_per_day', 10, 1, 10000, 'mails', 'how many mails with a code an address gets in a day'),
  ('invitations_per_day', 20, 1, 10000, 'mails', 'how many users a user may invite in a day')
on conflict (name) do update
   set default_value = excluded.default_value,
       lowest = excluded.lowest,
       highest = excluded.highest,
       unit = excluded.unit,
       meaning = excluded.meaning;

create or replace function auth_private.tunable(name text) returns integer
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_value integer;
begin
  select coalesce(s.value, s.default_value) into v_value from auth.setting as s where s.name = tunable.name;
  if not found then -- null would turn limits off
    raise config_file_error using
      message = format('the row %s of auth.setting is missing', tunable.name),
      hint = 'Apply app/sql/routines again: docs/sql.md.';
  end if;
  return v_value;
end
$$;

create or replace function auth_private.access_token_life() returns integer
  language sql stable
  return auth_private.tunable('access_token_life');

create or replace function auth_private.refresh_token_life() returns interval
  language sql stable
  return make_interval(hours => auth_private.tunable('refresh_token_life'));

create or replace function auth_private.refresh_token_grace() returns interval
  language sql stable
  return make_interval(secs => auth_private.tunable('refresh_token_grace'));

create or replace function auth_private.refresh_tokens_per_minute() returns integer
  language sql stable
  return auth_private.tunable('refresh_tokens_per_minute');

create or replace function auth_private.session_life() returns interval
  language sql stable
  return make_interval(hours => auth_private.tunable('session_life'));

create or replace function auth_private.sessions_per_user() returns integer
  language sql stable
  return auth_private.tunable('sessions_per_user');

create or replace function auth_private.event_life() returns interval
  language sql stable
  return make_interval(hours => auth_private.tunable('event_life'));

create or replace function auth_private.bcrypt_cost() returns integer
  language sql stable
  return auth_private.tunable('bcrypt_cost');

comment on function auth_private.tunable(text) is
  'What the owner has set, or else the default; raises F0000 if there is no such row.';
comment on function auth_private.access_token_life() is
  'How long an access token is valid, in seconds: exp, and Max-Age of the cookie.';
comment on function auth_private.refresh_token_life() is
  'How long a refresh token may stay unused. Each rotation starts anew.';
comment on function auth_private.refresh_token_grace() is
  'For how long after its first use a token is answered with the same successor.';
comment on function auth_private.refresh_tokens_per_minute() is
  'How many refresh tokens a session is given within a minute, its first included.';
comment on function auth_private.session_life() is
  'How long a session may last at most, however busy it is.';
comment on function auth_private.sessions_per_user() is
  'How many sessions a user may have at the same time.';
comment on function auth_private.event_life() is
  'How long an event is kept.';
comment on function auth_private.bcrypt_cost() is
  'The cost of new hashes: each step up doubles the work of a login, and of a guess.';

reset role;
