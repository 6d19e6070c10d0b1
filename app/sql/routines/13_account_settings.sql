-- How the settings of accounts are read: their names, ranges and defaults are in 12_settings.sql.
--
-- Grants: none.
-- Attacker: nothing to gain: the values are no secrets.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.password_length() returns integer
  language sql stable
  return auth_private.tunable('password_length');

create or replace function auth_private.sign_in_codes() returns integer
  language sql stable
  return auth_private.tunable('sign_in_codes');

create or replace function auth_private.sign_in_code_life() returns interval
  language sql stable
  return make_interval(mins => auth_private.tunable('sign_in_code_life'));

create or replace function auth_private.reset_code_life() returns interval
  language sql stable
  return make_interval(mins => auth_private.tunable('reset_code_life'));

create or replace function auth_private.verification_code_life() returns interval
  language sql stable
  return make_interval(hours => auth_private.tunable('verification_code_life'));

create or replace function auth_private.invitation_life() returns interval
  language sql stable
  return make_interval(hours => auth_private.tunable('invitation_life'));

create or replace function auth_private.cancellation_life() returns interval
  language sql stable
  return make_interval(hours => auth_private.tunable('cancellation_life'));

create or replace function auth_private.reauthentication_life() returns interval
  language sql stable
  return make_interval(secs => auth_private.tunable('reauthentication_life'));

create or replace function auth_private.mails_per_hour() returns integer
  language sql stable
  return auth_private.tunable('mails_per_hour');

create or replace function auth_private.mails_per_day() returns integer
  language sql stable
  return auth_private.tunable('mails_per_day');

create or replace function auth_private.invitations_per_day() returns integer
  language sql stable
  return auth_private.tunable('invitations_per_day');

comment on function auth_private.password_length() is
  'How long a password that a user chooses is at least, in code points.';
comment on function auth_private.sign_in_codes() is
  'Whether users may sign in with a code sent by mail: 1 or 0.';
comment on function auth_private.sign_in_code_life() is
  'How long a code to sign in is valid.';
comment on function auth_private.reset_code_life() is
  'How long a code to reset a password is valid.';
comment on function auth_private.verification_code_life() is
  'How long a code to verify an address is valid.';
comment on function auth_private.invitation_life() is
  'How long an invitation is valid.';
comment on function auth_private.cancellation_life() is
  'How long the change of an address can be cancelled.';
comment on function auth_private.reauthentication_life() is
  'For how long a sign-in permits sensitive changes.';
comment on function auth_private.mails_per_hour() is
  'How many mails with a code an address gets in an hour.';
comment on function auth_private.mails_per_day() is
  'How many mails with a code an address gets in a day.';
comment on function auth_private.invitations_per_day() is
  'How many users a user may invite in a day.';

reset role;
