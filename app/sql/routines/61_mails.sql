-- The mails that go into the outbox, their limits, and the response to the client.
--
-- A request for a code gets one response for every address: status 202 and a request, after the same
-- statements. An address gets a few mails an hour; beyond that, and for an address that no user has, the rows
-- are written without the address, so nothing is sent.
--
-- Grants: none.
-- Attacker: can use up the mails of an address for an hour; the codes in those mails work.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.mails_are_used_up(address text) returns boolean
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_hour bigint;
  v_day bigint;
begin
  select count(*) filter (where o.created_at > v_now - interval '1 hour'), count(*)
    into v_hour, v_day
    from auth.outbox as o
   where lower(normalize(o.address, nfkc)) = auth_private.address_key(mails_are_used_up.address)
     and o.created_at > v_now - interval '1 day'
     and (o.purpose <> 'notice' or o.data ->> 'event' = 'registration_attempted');
  return v_hour >= auth_private.mails_per_hour() or v_day >= auth_private.mails_per_day();
end
$$;

create or replace function auth_private.queue_mail(
  purpose text,
  code auth.one_time_code,
  recipient auth.user,
  address text,
  shown jsonb default '{}'
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  insert into auth.outbox (purpose, code_id, user_id, address, language, data)
  values (
    queue_mail.purpose,
    code.id,
    recipient.id,
    queue_mail.address,
    coalesce(recipient.language, auth_private.request_language()),
    jsonb_strip_nulls(
      jsonb_build_object(
        'username', recipient.username,
        'at', to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'expires_at', to_char(code.expires_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
        'address_of_client', auth_private.client_address(),
        'user_agent', auth_private.client_user_agent()
      ) || shown
    )
  );
end
$$;

create or replace function auth_private.queue_notice(
  recipient auth.user,
  event text,
  shown jsonb default '{}',
  code auth.one_time_code default null
) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  if recipient.email_verified_at is not null then
    perform auth_private.queue_mail(
      'notice', code, recipient, recipient.email, jsonb_build_object('event', event) || shown
    );
  end if;
end
$$;

-- For an address that a client names: the user may be null, or have no use for the code
create or replace function auth_private.send_code(purpose text, recipient auth.user, life interval)
  returns json
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_address constant text := case
    when recipient.disabled_at is null and not auth_private.mails_are_used_up(coalesce(recipient.email, ''))
      then recipient.email
  end;
  v_code constant auth.one_time_code := auth_private.open_code(purpose, recipient.id, v_address, life);
begin
  perform auth_private.queue_mail(purpose, v_code, recipient, v_address);
  return auth_private.accept_request(v_code.request);
end
$$;

create or replace function auth_private.accept_request(request uuid) returns json
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('response.status', '202', true);
  return json_build_object('request', request);
end
$$;

create or replace function auth_private.reject_code() returns json
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform set_config('response.status', '401', true);
  return json_build_object(
    'code', 'PT401',
    'details', null,
    'hint', 'Request a new code.',
    'message', 'Invalid or expired code'
  );
end
$$;

create or replace function auth_private.accept_code(purpose text) returns json
  language sql immutable
  return json_build_object('accepted', purpose);

comment on function auth_private.mails_are_used_up(text) is
  'Whether the address gets no further mail yet that a client asks for.';
comment on function auth_private.queue_mail(text, auth.one_time_code, auth.user, text, jsonb) is
  'Adds a mail to the outbox; without an address it is not sent.';
comment on function auth_private.queue_notice(auth.user, text, jsonb, auth.one_time_code) is
  'Adds a notice to the verified address of a user, if there is one.';
comment on function auth_private.send_code(text, auth.user, interval) is
  'Sends a code to a user, or does the same work without sending it; the response of the function.';
comment on function auth_private.accept_request(uuid) is
  'The response to a request for a mail: 202, whether or not one is sent.';
comment on function auth_private.reject_code() is
  'The response to every code that is not accepted: 401.';
comment on function auth_private.accept_code(text) is
  'The response to a code that was accepted.';

reset role;
