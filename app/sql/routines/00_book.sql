-- The routines of app/sql/routines: functions, triggers and views, each in its only definition.
--
-- All files run in order and in one transaction, whenever any of them differs from what the database has
-- had: the runner compares their SHA-256 with this row. `create or replace` keeps owner, grants and what
-- depends on a routine. A routine that goes, or gets other arguments or another result, is dropped by a
-- migration, which runs in the same transaction before this. The row lock makes two runs wait for each other.
--
-- A body in a string is parsed when it runs, so each such routine has its own
-- `set search_path = pg_catalog, pg_temp`, definer or not. A body of the SQL standard (`return ...`) is
-- parsed here, under the path below, and bound to functions, operators and types by identity: it needs no
-- path, and without one the planner can inline it. (With a path on all, a refresh costs a third more CPU.)
--
-- Grants: none.
-- Attacker: a role that could write this row could keep an upgrade from being applied.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (0, 'routines')
on conflict (version) do update set checksum = null, applied_at = now();
