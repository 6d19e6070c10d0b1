-- The demo's rules for new accounts: registration is open, and guests are permitted.
-- Loaded after demo.sql by `postgate dev` and by the profile `demo` of docker-compose.yml, never by a migration.
-- Loading it again changes nothing that was changed since.

update auth.registration as r
   set mode = 'open', role = 'basic_subscriber', guest_role = 'basic_subscriber'
 where r.mode = 'closed'
   and r.role is null;
