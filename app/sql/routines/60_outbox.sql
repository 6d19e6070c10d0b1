-- The outbox as the workers of the gateways use it: take mails, and say what became of them.
--
-- A worker leases mails for some seconds. `skip locked` lets several workers take different mails, and a
-- mail whose worker dies is due again when its lease is over. So a mail is sent at least once; its
-- Message-ID makes a second copy recognizable. A result counts only with the latest lease.
--
-- A failure delays all mails to the same address, and no other mail. Mails whose code was used, is void or
-- has expired are deleted unsent.
--
-- Grants: execute to the role gateway.
-- Attacker: a holder of the gateway's login sees and drops the mails that wait. The codes are not in them.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.tg_outbox__notify() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_notify('postgate_outbox', '');
  return null;
end
$$;

create or replace trigger outbox_100_notify
  after insert on auth.outbox
  for each statement execute function auth_private.tg_outbox__notify();

create or replace function auth_private.drop_void_mails() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from auth.outbox as o
   where o.id in (
     select due.id
       from auth.outbox as due
       left join auth.one_time_code as c on c.id = due.code_id
      where due.sent_at is null
        and due.failed_at is null
        and due.next_attempt_at <= clock_timestamp()
        and (
          due.address is null
          or c.used_at is not null
          or c.voided_at <= clock_timestamp()
          or c.expires_at <= clock_timestamp()
        )
      limit 1000
      for update of due skip locked
   );
end
$$;

create or replace function auth.lease_mails(most integer, seconds integer)
  returns table (
    id uuid,
    lease uuid,
    purpose text,
    code_id uuid,
    request uuid,
    address text,
    language text,
    data jsonb,
    expires_at timestamptz,
    attempts integer,
    message_id text
  )
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  perform auth_private.drop_void_mails();
  return query
    with due as (
      select o.id
        from auth.outbox as o
       where o.sent_at is null
         and o.failed_at is null
         and o.next_attempt_at <= clock_timestamp()
         and coalesce(o.leased_until <= clock_timestamp(), true)
       order by o.next_attempt_at
       limit greatest(0, least(most, 1000))
         for update skip locked
    ), leased as (
      update auth.outbox as o
         set lease = gen_random_uuid(),
             leased_until = clock_timestamp() + make_interval(secs => greatest(1, least(seconds, 3600))),
             attempts = o.attempts + 1,
             message_id = coalesce(o.message_id, o.id::text)
        from due
       where o.id = due.id
      returning o.*
    )
    select
      l.id, l.lease, l.purpose, l.code_id, c.request, l.address, l.language, l.data, c.expires_at, l.attempts,
      l.message_id
      from leased as l
      left join auth.one_time_code as c on c.id = l.code_id
     order by l.created_at;
end
$$;

create or replace function auth.mail_sent(id uuid, lease uuid) returns boolean
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_found boolean;
begin
  update auth.outbox as o
     set sent_at = clock_timestamp(), leased_until = null, lease = null, last_error = null
   where o.id = mail_sent.id and o.lease = mail_sent.lease;
  v_found := found;
  perform auth_private.prune_outbox();
  return v_found;
end
$$;

create or replace function auth.mail_failed(id uuid, lease uuid, error text, is_permanent boolean)
  returns boolean
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_mail auth.outbox;
  v_next timestamptz;
begin
  update auth.outbox as o
     set leased_until = null, lease = null, last_error = auth_private.legible(mail_failed.error, 500)
   where o.id = mail_failed.id and o.lease = mail_failed.lease
  returning o.* into v_mail;
  if not found then
    return false;
  end if;

  -- 5 s, doubled with each attempt, 30 min at most
  v_next := clock_timestamp() + make_interval(secs => least(5 * 2 ^ least(v_mail.attempts - 1, 20), 1800));
  if coalesce(mail_failed.is_permanent, false)
    or v_next > v_mail.created_at + interval '24 hours'
    or exists (select from auth.one_time_code as c where c.id = v_mail.code_id and c.expires_at <= v_next)
  then
    update auth.outbox as o set failed_at = clock_timestamp() where o.id = v_mail.id;
  else
    -- In the order of ids, and without those another worker has: two failures must not wait for each other
    update auth.outbox as o
       set next_attempt_at = v_next
     where o.id in (
       select same.id
         from auth.outbox as same
        where same.sent_at is null
          and same.failed_at is null
          and lower(normalize(same.address, nfkc)) = lower(normalize(v_mail.address, nfkc))
          and same.next_attempt_at < v_next
        order by same.id
          for update skip locked
     );
  end if;
  return true;
end
$$;

create or replace function auth.mail_queue()
  returns table (waiting bigint, oldest_seconds double precision, failed bigint)
  language plpgsql stable security definer
  set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
  return query
    select
      count(*) filter (where o.failed_at is null),
      coalesce(
        extract(epoch from clock_timestamp() - min(o.created_at) filter (where o.failed_at is null)), 0
      )::double precision,
      count(*) filter (where o.failed_at is not null)
      from auth.outbox as o
     where o.sent_at is null
       and o.address is not null;
end
$$;

create or replace function auth_private.prune_outbox() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from auth.outbox as o
   where o.id in (
     select past.id
       from auth.outbox as past
      where past.created_at < now() - interval '7 days'
        and (past.sent_at is not null or past.failed_at is not null)
      order by past.created_at
      limit 20
      for update skip locked
   );
end
$$;

grant execute
  on function
    auth.lease_mails(integer, integer), auth.mail_sent(uuid, uuid),
    auth.mail_failed(uuid, uuid, text, boolean), auth.mail_queue()
  to gateway;

comment on function auth_private.tg_outbox__notify() is
  'Wakes the workers that send mails, with the commit.';
comment on trigger outbox_100_notify on auth.outbox is
  'Once for each statement.';
comment on function auth_private.drop_void_mails() is
  'Deletes mails that are due and have no address, or a code that cannot be used any more.';
comment on function auth.lease_mails(integer, integer) is
  'Takes so many mails that are due, for so many seconds. For the gateway.';
comment on function auth.mail_sent(uuid, uuid) is
  'Says that the mail server accepted a mail; false if the lease is over. For the gateway.';
comment on function auth.mail_failed(uuid, uuid, text, boolean) is
  'Says that a mail was not sent, and why: it is due again later, or given up; false if the lease is over. '
  'For the gateway.';
comment on function auth.mail_queue() is
  'How many mails wait, for how long the oldest has, and how many were given up. For the gateway.';
comment on function auth_private.prune_outbox() is
  'Deletes a few mails that were sent or given up a week ago.';

reset role;
