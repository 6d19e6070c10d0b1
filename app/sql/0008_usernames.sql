-- The one form of a user name, applied alike where a user is made and where one signs in.
--
-- Unicode NFC; 1 to 254 characters; case-sensitive, as in the known recipes; no control characters, no
-- invisible ones (zero-width, bidirectional controls, tags), no blank at either end.
-- Blanks are refused and not trimmed: a rate limiter in front must count 'demo' and 'demo ' apart or
-- refuse both, and can do either only if they cannot be the same account.
--
-- Grants: nothing, to nobody.
-- Attacker: two names that look the same, or two spellings that reach one account behind a limiter.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (8, '0008_usernames');

set local role auth_owner;

create function auth_private.username_form(username text) returns text
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

comment on function auth_private.username_form(text) is
  'The user name in its one form, or null if it has none.';

reset role;
