-- One-time codes: how one is requested, derived and used.
--
-- A code is an HMAC of the id of its row under a key that comes with each transaction
-- (app.settings.code_keys). So nothing in the database signs in, a mail that waits included. It has two
-- lengths: 256 bits for links, 8 characters for typing. It counts for one purpose, together with the request
-- that the client got when it asked for the code.
--
-- A use is one statement: it counts the attempt and marks the row as used if the code is right. Of two at
-- once, one waits for the row, finds it used, and is rejected. A rejection must be committed, or attempts
-- would not count: so it is a response with a status and not an error. Unknown, used, void, expired, wrong
-- and of another purpose: one response.
--
-- A later code of a user voids the earlier ones of that purpose, one minute later: mails overtake each other.
-- A registration has no user yet; its codes do not void each other, or an attacker could void that of the
-- owner of an address.
--
-- Locks: the user, then codes.
--
-- Grants: none.
-- Attacker: has 5 guesses for each mail, of 39 bits, and may cause a few mails a day to an address. A role
-- that may set app.settings.code_keys and read the ids of codes is any user with an address.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.code_keys() returns bytea[]
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_keys constant text := auth_private.setting('app.settings.code_keys');
begin
  if v_keys is null or v_keys !~ '^[0-9a-f]{64}(,[0-9a-f]{64}){0,15}$' then
    raise config_file_error using
      message = 'the setting app.settings.code_keys is missing or invalid',
      hint = 'The gateway sets it: 32 bytes in hexadecimal for each key, separated by commas.';
  end if;
  return array(
    select decode(k.key, 'hex') from string_to_table(v_keys, ',') with ordinality as k (key, n) order by k.n
  );
end
$$;

create or replace function auth_private.link_code(key bytea, code_id uuid) returns text
  language sql immutable strict
  return auth_private.base64url(
    auth_private.hmac_sha256(convert_to('link:' || code_id::text, 'UTF8'), key)
  );

create or replace function auth_private.typed_code(key bytea, code_id uuid) returns text
  language plpgsql immutable strict
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_alphabet constant text := '23456789ABCDEFGHJKMNPQRSTVWXYZ';
  v_code text := '';
  v_digest bytea;
begin
  for v_counter in 0 .. 255 loop
    v_digest := auth_private.hmac_sha256(
      convert_to('typed:' || code_id::text || v_counter::text, 'UTF8'), key
    );
    for v_index in 0 .. 31 loop
      -- The largest multiple of 30: the remainders of the bytes below it are uniform
      if get_byte(v_digest, v_index) < 240 then
        v_code := v_code || substr(v_alphabet, get_byte(v_digest, v_index) % 30 + 1, 1);
      end if;
      if length(v_code) = 8 then
        return v_code;
      end if;
    end loop;
  end loop;
  return null;
end
$$;

create or replace function auth_private.code_matches(code_id uuid, code text) returns boolean
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_link constant text := left(coalesce(code, ''), 64);
  v_typed constant text := upper(regexp_replace(v_link, '[\s\u00a0\u2010-\u2014-]', '', 'g'));
  v_matches boolean := false;
  v_key bytea;
begin
  foreach v_key in array auth_private.code_keys() loop
    v_matches := auth_private.equals_in_constant_time(v_link, auth_private.link_code(v_key, code_id))
      or v_matches;
    v_matches := auth_private.equals_in_constant_time(v_typed, auth_private.typed_code(v_key, code_id))
      or v_matches;
  end loop;
  return v_matches;
end
$$;

create or replace function auth_private.void_codes_of(user_id uuid) returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  -- All but the one that takes back a change of the address, which may be what voids the others
  update auth.one_time_code as c
     set voided_at = clock_timestamp()
   where c.user_id = void_codes_of.user_id
     and c.purpose <> 'notice'
     and c.used_at is null
     and coalesce(c.voided_at > clock_timestamp(), true);
end
$$;

create or replace function auth_private.open_code(
  purpose text,
  user_id uuid,
  address text,
  life interval,
  data jsonb default '{}'
) returns auth.one_time_code
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_now constant timestamptz := clock_timestamp();
  v_code auth.one_time_code;
begin
  perform auth_private.code_keys(); -- a gateway that cannot derive codes says so to every client alike
  perform from auth.user as u where u.id = open_code.user_id for key share;
  update auth.one_time_code as c
     set voided_at = v_now + interval '1 minute'
   where c.user_id = open_code.user_id
     and c.purpose = open_code.purpose
     and c.purpose <> 'notice'
     and c.used_at is null
     and c.voided_at is null
     and open_code.address is not null;
  insert into auth.one_time_code as c (purpose, user_id, address, created_at, expires_at, voided_at, data)
  values (
    open_code.purpose,
    open_code.user_id,
    open_code.address,
    v_now,
    v_now + life,
    case when open_code.address is null then v_now end,
    open_code.data
  )
  returning c.* into v_code;
  perform auth_private.prune_codes();
  return v_code;
end
$$;

create or replace function auth_private.use_code(purpose text, request uuid, code text)
  returns auth.one_time_code
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_code auth.one_time_code;
begin
  perform auth_private.code_keys();
  perform
     from auth.user as u
    where u.id = (select c.user_id from auth.one_time_code as c where c.request = use_code.request)
      for no key update;
  update auth.one_time_code as c
     set attempts = c.attempts + 1,
         used_at = case when auth_private.code_matches(c.id, use_code.code) then clock_timestamp() end
   where c.request = use_code.request
     and c.purpose = use_code.purpose
     and c.used_at is null
     and c.attempts < 5
     and c.expires_at > clock_timestamp()
     and coalesce(c.voided_at > clock_timestamp(), true)
  returning c.* into v_code;
  if v_code.used_at is null then
    return null;
  end if;
  return v_code;
end
$$;

create or replace function auth_private.prune_codes() returns void
  language plpgsql volatile
  set search_path = pg_catalog, pg_temp
as $$
begin
  delete from auth.one_time_code as c
   where c.id in (
     select past.id
       from auth.one_time_code as past
      where past.expires_at < now() - interval '1 day'
      order by past.expires_at
      limit 20
      for update skip locked
   );
end
$$;

comment on function auth_private.code_keys() is
  'The keys of the codes: the first derives new ones, all verify; raises F0000 where they are missing.';
comment on function auth_private.link_code(bytea, uuid) is
  'The code of a row for links: 43 characters of base64url.';
comment on function auth_private.typed_code(bytea, uuid) is
  'The code of a row for typing: 8 characters.';
comment on function auth_private.code_matches(uuid, text) is
  'Whether this is the code of the row, in either length and under any of the keys.';
comment on function auth_private.void_codes_of(uuid) is
  'Voids the codes of a user at once.';
comment on function auth_private.open_code(text, uuid, text, interval, jsonb) is
  'Adds a code, and voids the earlier ones of the user and the purpose from the next minute on. Without an '
  'address it is void.';
comment on function auth_private.use_code(text, uuid, text) is
  'Uses a code, and holds its user: its row, or null if it is rejected. That must be committed to count.';
comment on function auth_private.prune_codes() is
  'Deletes a few codes that expired a day ago.';

reset role;
