-- Addresses of mail: which are accepted, when two are the same, and when one is verified.
--
-- The local part stays as the user wrote it, for delivery; the domain is in lower case. Two addresses are the
-- same if their Unicode form NFKC is, in lower case. Characters that are invisible, end a header line or
-- quote are rejected (CWE-93).
--
-- A new address of a user is not verified, and voids codes that were sent before, from whatever statement.
--
-- Grants: none.
-- Attacker: two spellings of one address, to register it twice; additional headers in a mail.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.address_key(address text) returns text
  language sql immutable strict
  return lower(normalize(address, nfkc));

create or replace function auth_private.address_form(address text) returns text
  language sql immutable strict
  return (
    select split_part(n.form, '@', 1) || '@' || lower(split_part(n.form, '@', 2))
      from (select auth_private.username_form(address) as form) as n
     where octet_length(n.form) <= 254
       and octet_length(split_part(n.form, '@', 1)) <= 64
       and n.form ~ '^[^@[:space:][:cntrl:]()<>\[\]:;,\\"]+@[^@[:space:][:cntrl:]()<>\[\]:;,\\"_]+$'
       and split_part(n.form, '@', 2) ~ '^[[:alnum:]]([^@]*[[:alnum:]])?$'
       and n.form !~ '\.\.|^\.|\.@'
  );

create or replace function auth_private.masked_address(address text) returns text
  language sql immutable strict
  return left(address, 1) || '***@' || split_part(address, '@', 2);

create or replace function auth_private.verified_user(address text) returns auth.user
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_user auth.user;
begin
  select u.*
    into v_user
    from auth.user as u
   where lower(normalize(u.email, nfkc)) = auth_private.address_key(address)
     and u.email_verified_at is not null;
  return v_user;
end
$$;

create or replace function auth_private.request_language() returns text
  language sql stable
  return substring(
    auth_private.json_setting('request.headers') ->> 'accept-language'
    from '^ *([A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8}){0,3})(?![A-Za-z0-9-])'
  );

-- Two who prove the same address at once come one after the other
create or replace function auth_private.hold_address(address text) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('auth.user.email ' || auth_private.address_key(address), 0));
end
$$;

-- Who proves an address has it, and a user who has not proved it loses it
create or replace function auth_private.free_address(address text) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  perform auth_private.hold_address(address);
  update auth.user as u
     set email = null
   where lower(normalize(u.email, nfkc)) = auth_private.address_key(address)
     and u.email_verified_at is null;
  return not exists (
    select from auth.user as u where lower(normalize(u.email, nfkc)) = auth_private.address_key(address)
  );
end
$$;

create or replace function auth_private.tg_user__email() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if new.email is distinct from old.email
    and new.email_verified_at is not distinct from old.email_verified_at
  then
    new.email_verified_at := null;
  end if;
  return new;
end
$$;

create or replace trigger user_150_email
  before update of email on auth.user
  for each row execute function auth_private.tg_user__email();

create or replace function auth_private.tg_user__void_codes() returns trigger
  language plpgsql volatile security definer
  set search_path = pg_catalog, pg_temp
as $$
begin
  if auth_private.setting('postgate.keep_sessions') is null then
    perform auth_private.void_codes_of(new.id);
  end if;
  return null;
end
$$;

create or replace trigger user_600_void_codes
  after update on auth.user
  for each row
  when (
    old.email is distinct from new.email
    or old.password is distinct from new.password
    or old.disabled_at is distinct from new.disabled_at
  )
  execute function auth_private.tg_user__void_codes();

comment on function auth_private.address_key(text) is
  'What two spellings of one address have in common.';
comment on function auth_private.address_form(text) is
  'The address as it is stored, or null if it is not accepted.';
comment on function auth_private.masked_address(text) is
  'The address as another mailbox may see it.';
comment on function auth_private.verified_user(text) is
  'The user whose verified address this is; null: there is none.';
comment on function auth_private.request_language() is
  'The language tag that the request prefers, or null.';
comment on function auth_private.hold_address(text) is
  'Locks an address until the transaction ends.';
comment on function auth_private.free_address(text) is
  'Locks an address, takes it from a user who has not verified it, and says whether no user has it.';
comment on function auth_private.tg_user__email() is
  'A new address is not verified, unless the same statement says so.';
comment on trigger user_150_email on auth.user is
  'Before the address is stored.';
comment on function auth_private.tg_user__void_codes() is
  'Voids the codes of a user with a new address or password, or who was disabled.';
comment on trigger user_600_void_codes on auth.user is
  'After the sessions have ended.';

reset role;
