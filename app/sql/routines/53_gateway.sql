-- auth.note_failure(): the gateway records a rejected request.
--
-- auth.login cannot do it: it raises, and what it has written is rolled back with it. So the gateway calls
-- this afterwards, by its own login. It also knows the attempts that never reached auth.login.
-- A name that no user has is left out: people type their password into the wrong field.
--
-- Grants: execute to the role gateway.
-- Attacker: a holder of the gateway's login can record failures that never were, of a few kinds.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth.note_failure(kind text, username text, address text, user_agent text)
  returns void
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if kind is null or kind not in (
    'sign_in_failed', 'sign_in_throttled', 'password_change_failed', 'password_change_throttled',
    'refresh_throttled', 'reauthentication_failed', 'reauthentication_throttled', 'registration_throttled',
    'code_failed', 'code_throttled'
  ) then
    raise invalid_parameter_value using message = 'this is no kind of failure';
  end if;
  insert into auth.event (at, kind, username, subject, address, user_agent)
  select
    clock_timestamp(),
    note_failure.kind,
    u.username,
    u.id::text,
    auth_private.legible_address(note_failure.address),
    auth_private.legible_user_agent(note_failure.user_agent)
    from (select) as one
    left join auth.user as u on u.username = auth_private.username_form(note_failure.username);
  perform auth_private.prune_events();
end
$$;

grant execute on function auth.note_failure(text, text, text, text) to gateway;

comment on function auth.note_failure(text, text, text, text) is
  'Records a failure: its kind, and the name, address and user agent that tried. For the gateway.';

reset role;
