"""Reads the catalogue of a database: functions with their source, roles, and PostgREST's own settings."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg

from app.database import DatabaseUnreachable, connected, rolled_back
from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.reading import fields

_MOST: Final = 5_000
_MOST_CHARACTERS: Final = 50_000  # of the source of one function
_SETTABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}").fullmatch  # what a setting can name

# Arguments are those that a caller passes. The members are those of a composite result, or OUT arguments.
# Functions of extensions and of Postgate's own SQL are left out.
_FUNCTIONS: Final = """
select n.nspname::pg_catalog.text as schema,
       p.proname::pg_catalog.text as name,
       pg_catalog.oidvectortypes(p.proargtypes) as types,
       array(
         select a.name
           from rows from (
                  pg_catalog.unnest(p.proargnames),
                  pg_catalog.unnest(
                    coalesce(p.proargmodes, pg_catalog.array_fill('i'::"char", array[p.pronargs::int]))
                  )
                ) with ordinality as a (name, mode, place)
          where a.mode in ('i', 'b', 'v')
          order by a.place
       ) as arguments,
       p.pronargs - p.pronargdefaults as required,
       array(
         select a.name
           from rows from (
                  pg_catalog.unnest(p.proargnames), pg_catalog.unnest(p.proargmodes)
                ) with ordinality as a (name, mode, place)
          where a.mode in ('o', 'b', 't')
          order by a.place
       ) || array(
         select c.attname::pg_catalog.text
           from pg_catalog.pg_type as t
           join pg_catalog.pg_attribute as c on c.attrelid = t.typrelid
          where t.oid = p.prorettype and t.typtype = 'c' and c.attnum > 0 and not c.attisdropped
          order by c.attnum
       ) as members,
       p.prorettype in ('pg_catalog.json'::pg_catalog.regtype, 'pg_catalog.jsonb'::pg_catalog.regtype)
         as returns_json,
       p.prorettype = 'pg_catalog.void'::pg_catalog.regtype as is_void,
       p.prorettype in (
         'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype
       ) as is_trigger,
       pg_catalog.left(coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc), $1) as source,
       array(
         select distinct coalesce(g.rolname::pg_catalog.text, 'public')
           from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as a
           left join pg_catalog.pg_roles as g on g.oid = a.grantee
          where a.grantee <> p.proowner and a.privilege_type = 'EXECUTE'
       ) as grantees
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
 where n.nspname !~ '^pg_'
   and n.nspname <> 'information_schema'
   and p.prokind = 'f'
   and pg_catalog.pg_get_userbyid(p.proowner) <> 'auth_owner'
   and not exists (
     select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
   )
 order by 1, 2, 3
 limit $2
"""

# PostgREST's login reads its configuration from settings of its role (db-config)
_CONFIGURED: Final = """
select pg_catalog.split_part(c.entry, '=', 1) as name,
       pg_catalog.substr(c.entry, pg_catalog.strpos(c.entry, '=') + 1) as value
  from pg_catalog.pg_db_role_setting as s
  cross join pg_catalog.unnest(s.setconfig) as c (entry)
 where s.setrole <> 0
   and s.setdatabase in (
     0, (select d.oid from pg_catalog.pg_database as d where d.datname = pg_catalog.current_database())
   )
   and c.entry ~ '^pgrst\\.db_(anon_role|pre_request)='
 order by s.setdatabase
"""

# Roles that a login without inheritance may become, as PostgREST's login is: those of clients
_ROLES: Final = """
select r.rolname::pg_catalog.text
  from pg_catalog.pg_roles as r
 where not r.rolcanlogin
   and r.rolname !~ '^pg_'
   and exists (
     select
       from pg_catalog.pg_auth_members as m
       join pg_catalog.pg_roles as l on l.oid = m.member
      where m.roleid = r.oid and not l.rolinherit
   )
 order by 1
"""

_POSTGATE: Final = """
select exists (
         select
           from pg_catalog.pg_class as c
           join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
          where n.nspname = 'postgate' and c.relname = 'migration'
       ) as is_migrated,
       (
         select exists (
                  select from pg_catalog.aclexplode(p.proacl) as a
                   where a.grantee <> p.proowner and a.privilege_type = 'EXECUTE'
                )
           from pg_catalog.pg_proc as p
           join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
          where n.nspname = 'auth'
            and p.proname = 'adopt'
            and pg_catalog.pg_get_userbyid(p.proowner) = 'auth_owner'
       ) as may_adopt,
       exists (
         select from pg_catalog.pg_namespace as n
          where n.nspname = 'auth' and pg_catalog.pg_get_userbyid(n.nspowner) <> 'auth_owner'
       ) as has_own_auth
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Routine:
    """A function of the project. A name may have several (overloads)."""

    schema: str
    name: str
    types: str
    arguments: Sequence[str]  # those that a caller passes, by name; empty if they have none
    required: int  # arguments without a default
    members: Sequence[str]  # the columns of its result
    returns_json: bool
    is_void: bool
    is_trigger: bool
    source: str
    grantees: Sequence[str]  # `public` included, its owner excluded

    @property
    def sql(self) -> str:
        return f"{sql_name(self.schema)}.{sql_name(self.name)}({self.types})"

    @property
    def where(self) -> str:
        return f"function {self.sql}"

    @property
    def is_settable(self) -> bool:
        """Whether a setting can name it."""
        return _SETTABLE(self.schema) is not None and _SETTABLE(self.name) is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The relevant objects of a database."""

    routines: Sequence[Routine]
    client_roles: Sequence[str]
    configured: Mapping[str, str]  # PostgREST's settings of its login: db_anon_role, db_pre_request
    is_migrated: bool  # Postgate's SQL is there
    may_adopt: bool | None  # whether a role may execute auth.adopt; None without Postgate's SQL
    has_own_auth: bool  # a schema `auth` that is not Postgate's


async def look(url: str) -> Found:
    """Read one database, in a read-only transaction. Raises DatabaseUnreachable."""
    async with connected(url, name="postgate suggest") as connection, rolled_back(connection):
        try:
            routines = await connection.fetch(_FUNCTIONS, _MOST_CHARACTERS, _MOST)
            configured = await connection.fetch(_CONFIGURED)
            roles = await connection.fetch(_ROLES)
            postgate = await connection.fetchrow(_POSTGATE)
        except asyncpg.PostgresError as error:  # a catalogue that is closed to this login
            raise DatabaseUnreachable(f"a query of its catalogue fails ({error.sqlstate})") from None
    assert postgate is not None  # noqa: S101 (a query without a table has one row)
    return Found(
        routines=[Routine(**fields(row)) for row in routines],
        client_roles=[row["rolname"] for row in roles],
        configured={row["name"].removeprefix("pgrst."): row["value"] for row in configured},
        **postgate,
    )
