-- Which passwords a user may choose: one function decides, for each way of setting one.
--
-- They bind what users choose, and not what the owner inserts. There are no rules on kinds of characters
-- (NIST SP 800-63B section 3.1.1.2). Length is counted in code points of the Unicode form NFKC, which is also
-- what is hashed. A password is rejected if the list of common passwords has it, if it repeats a short or
-- common part, or if little is left of it without the words of its context: the service's host, the user
-- name, and the parts of the address.
--
-- Grants: none.
-- Attacker: learns from the reason that a password is on a public list.

set local search_path = pg_catalog, pg_temp;

set local role auth_owner;

create or replace function auth_private.password_key(password text) returns text
  language sql immutable strict
  return lower(normalize(left(password, 256), nfkc));

create or replace function auth_private.password_is_common(password text) returns boolean
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant text := auth_private.password_key(password);
  -- The shortest part that the whole is a repetition of, the last one cut short perhaps
  v_part text;
begin
  for v_length in 1 .. char_length(v_key) / 2 loop
    if left(repeat(left(v_key, v_length), char_length(v_key) / v_length + 1), char_length(v_key)) = v_key then
      v_part := left(v_key, v_length);
      exit;
    end if;
  end loop;
  return coalesce(char_length(v_part) < 8, false)
    or exists (select from auth_private.common_password as p where p.word in (v_key, v_part));
end
$$;

create or replace function auth_private.context_words(context text[]) returns text[]
  language sql stable
  return array(
    select distinct w.word
      from unnest(
        context
        || 'postgate'::text
        || split_part(auth_private.json_setting('request.headers') ->> 'host', ':', 1)
      ) as c (text),
      lateral (
        select auth_private.password_key(c.text)
        union all
        select regexp_split_to_table(auth_private.password_key(c.text), '[^[:alnum:]]+')
      ) as w (word)
     where char_length(w.word) >= 4
  );

create or replace function auth_private.password_is_of_context(password text, context text[]) returns boolean
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_key constant text := auth_private.password_key(password);
  v_rest text := v_key;
  v_word text;
begin
  for v_word in
    select w.word
      from unnest(auth_private.context_words(context)) as w (word)
     order by char_length(w.word) desc, w.word
  loop
    v_rest := replace(v_rest, v_word, '');
  end loop;
  return v_rest <> v_key and char_length(v_rest) < auth_private.password_length() / 2;
end
$$;

create or replace function auth_private.password_fault(password text, context text[]) returns text
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_least constant integer := auth_private.password_length();
begin
  return case
    when coalesce(char_length(normalize(left(password, 257), nfkc)), 0) < v_least
      then format('A password has %s characters or more.', v_least)
    when char_length(password) > 256
      then 'A password has 256 characters at most.'
    when auth_private.password_is_common(password)
      then 'Many people use this password, or it repeats itself: attackers try such passwords first.'
    when auth_private.password_is_of_context(password, context)
      then 'The password consists of your name, your address or the name of this service.'
  end;
end
$$;

create or replace function auth_private.refuse_unfit_password(password text, context text[]) returns void
  language plpgsql stable
  set search_path = pg_catalog, pg_temp
as $$
declare
  v_fault constant text := auth_private.password_fault(password, context);
begin
  if v_fault is not null then
    raise sqlstate 'PT422' using message = 'The new password is not acceptable', hint = v_fault;
  end if;
end
$$;

comment on function auth_private.password_key(text) is
  'The password as it is compared with lists: in NFKC and lower case.';
comment on function auth_private.password_is_common(text) is
  'Whether the password is a common one, or a repetition of a common or short part.';
comment on function auth_private.context_words(text[]) is
  'The words of these texts, of the service and of its host, of four characters and more.';
comment on function auth_private.password_is_of_context(text, text[]) is
  'Whether the password has words of its context, and without them less than half the least length.';
comment on function auth_private.password_fault(text, text[]) is
  'Why a user may not choose the password, as a hint for people; null: the user may.';
comment on function auth_private.refuse_unfit_password(text, text[]) is
  'Raises PT422, with the reason as the hint, if a user may not choose the password.';

reset role;
