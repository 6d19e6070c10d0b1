-- auth.setting: what the owner may tune. The rows and their defaults come from routines/12_settings.sql.
--
-- `value` is the owner's: no migration and no file of routines ever writes it, so an upgrade keeps it. Null
-- means the default, which a release may change for all who have not set another.
--
-- Grants: none; row level security with no policy, should an owner grant by mistake.
-- Attacker: a writer could make passwords cheap to guess and sessions long, within the ranges.

set local search_path = pg_catalog, pg_temp;

insert into postgate.migration (version, name) values (8, '0008_settings');

set local role auth_owner;

create table auth.setting (
  name text
    constraint setting_name_pkey primary key,
  value integer,
  default_value integer not null,
  lowest integer not null,
  highest integer not null,
  unit text not null,
  meaning text not null,
  constraint setting_value_check check (value between lowest and highest),
  constraint setting_default_value_check check (default_value between lowest and highest)
);

alter table auth.setting enable row level security;

comment on table auth.setting is
  'What the owner may tune: lives, limits and the cost of a password. `postgate setting` lists and sets it.';
comment on column auth.setting.name is
  'The name, as the function in auth_private that reads it has it.';
comment on column auth.setting.value is
  'What the owner has set; null: the default. Upgrades keep it.';
comment on column auth.setting.default_value is
  'What holds if the owner has set nothing.';
comment on column auth.setting.lowest is
  'The lowest value it may have.';
comment on column auth.setting.highest is
  'The highest value it may have.';
comment on column auth.setting.unit is
  'What the value counts. Hours and not days: the length of a day depends on the time zone.';
comment on column auth.setting.meaning is
  'What it decides.';

reset role;
