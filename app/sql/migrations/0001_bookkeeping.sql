-- Which files of app/sql this database has had.
--
-- Every migration begins by inserting its own row, so the book is the same whether `postgate migrate` or psql
-- ran the file, and two runs at once collide on the primary key instead of running a file twice. The routines
-- have one row together (routines/00_book.sql).
-- Every file narrows `search_path` first: a name that it forgets to qualify is pg_catalog's or fails, and
-- never an object that another login has put into `public`.
--
-- Grants: none.
-- Attacker: a role that could write here could make the next migration skip a file.

set local search_path = pg_catalog, pg_temp;

do $$
begin
  if current_setting('server_version_num')::integer < 140000 then
    raise feature_not_supported using message = 'Postgate needs PostgreSQL 14 or newer';
  end if;
  -- normalize() and the rule on user names are defined for UTF-8 alone
  if getdatabaseencoding() <> 'UTF8' then
    raise feature_not_supported using message = 'Postgate needs a database with the encoding UTF8';
  end if;
end
$$;

create schema postgate;

create table postgate.migration (
  version integer
    constraint migration_version_pkey primary key,
  name text not null,
  checksum text
    constraint migration_checksum_check check (checksum ~ '^[0-9a-f]{64}$'),
  applied_at timestamptz not null default now()
);

alter table postgate.migration enable row level security;

insert into postgate.migration (version, name) values (1, '0001_bookkeeping');

comment on schema postgate is
  'The book of applied migrations. Only its owner has any right here.';
comment on table postgate.migration is
  'One row for each file of app/sql/migrations that this database has had, and one for app/sql/routines.';
comment on column postgate.migration.version is
  'The number the file name begins with; 0: the routines, all files together.';
comment on column postgate.migration.name is
  'The file name without its ending.';
comment on column postgate.migration.checksum is
  'SHA-256 of the file, in hex. Null after psql, as a file cannot hold its own digest: the next '
  '`postgate migrate` fills in those of migrations, and applies the routines again.';
comment on column postgate.migration.applied_at is
  'Start of the transaction that ran the file.';
