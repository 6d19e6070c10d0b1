"""Roles that could have defined an object that a command of the operator calls or reads.

An operator's connection is often a superuser's, and `set role` is no sandbox on it: code that it calls may
`reset role`. Reading calls code too: views, index expressions, statistics and check constraints run
functions, some of them while the statement is planned. So a command asks the catalogues first, and neither
calls nor reads what an untrusted role could have defined.

A role is untrusted if some login other than a superuser and this session's own acts as it, or may become it.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

import asyncpg

Fetch: TypeAlias = Callable[..., Awaitable[Sequence[asyncpg.Record]]]  # a query and its arguments

# All memberships count: a role that may administer another may also become it. The member of
# pg_database_owner is in no table; it is the owner of the database
_UNTRUSTED: Final = """
with recursive edge (role, member) as (
  select a.roleid, a.member from pg_catalog.pg_auth_members as a
  union all
  select o.oid, d.datdba
    from pg_catalog.pg_roles as o
    join pg_catalog.pg_database as d on d.datname = pg_catalog.current_database()
   where o.rolname = 'pg_database_owner'
), holder (role, member) as (
  select r.oid, r.oid from pg_catalog.pg_roles as r
  union
  select h.role, e.member from holder as h join edge as e on e.role = h.member
)
select distinct h.role as oid
  from holder as h
  join pg_catalog.pg_roles as r on r.oid = h.role and not r.rolsuper
  join pg_catalog.pg_roles as l on l.oid = h.member
 where l.rolcanlogin and not l.rolsuper and l.rolname <> session_user
"""

# What they own in some schemas, and where they may add to them
_FOREIGN_OBJECTS: Final = """
with owned (schema, what, owner) as (
  select n.oid, 'owns the schema itself', n.nspowner from pg_catalog.pg_namespace as n
  union all
  select c.relnamespace, 'owns the relation ' || c.relname, c.relowner from pg_catalog.pg_class as c
  union all
  select p.pronamespace, 'owns the function ' || p.proname, p.proowner from pg_catalog.pg_proc as p
  union all
  select t.typnamespace, 'owns the type ' || t.typname, t.typowner from pg_catalog.pg_type as t
  union all
  select o.oprnamespace, 'owns the operator ' || o.oprname, o.oprowner from pg_catalog.pg_operator as o
  union all
  select n.oid, 'may create objects', x.grantee
    from pg_catalog.pg_namespace as n
    cross join lateral pg_catalog.aclexplode(n.nspacl) as x
   where x.privilege_type = 'CREATE'
)
select distinct n.nspname::pg_catalog.text as schema, o.what::pg_catalog.text as what
  from owned as o
  join pg_catalog.pg_namespace as n on n.oid = o.schema
 where n.nspname::pg_catalog.text = any ($2::pg_catalog.text[])
   and (o.owner = any ($1::pg_catalog.oid[]) or o.owner = 0)
 order by 1, 2
 limit 10
"""

# A table with its partitions and children, and whatever of theirs runs a function when it is read
_IS_OURS: Final = """
with recursive family (oid) as (
  select c.oid
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where n.nspname::pg_catalog.text = $2
     and c.relname::pg_catalog.text = $3
     and c.relkind in ('r', 'p')
     and n.nspowner <> all ($1::pg_catalog.oid[])
  union
  select i.inhrelid from pg_catalog.pg_inherits as i join family as f on f.oid = i.inhparent
), part (class, oid) as (
  select 'pg_catalog.pg_class'::pg_catalog.regclass, i.indexrelid
    from pg_catalog.pg_index as i join family as f on f.oid = i.indrelid
  union all
  select 'pg_catalog.pg_constraint'::pg_catalog.regclass, k.oid
    from pg_catalog.pg_constraint as k join family as f on f.oid = k.conrelid
  union all
  select 'pg_catalog.pg_statistic_ext'::pg_catalog.regclass, s.oid
    from pg_catalog.pg_statistic_ext as s join family as f on f.oid = s.stxrelid
  union all
  select 'pg_catalog.pg_attrdef'::pg_catalog.regclass, a.oid
    from pg_catalog.pg_attrdef as a join family as f on f.oid = a.adrelid
)
select exists (select from family)
   and not exists (
     select from pg_catalog.pg_class as c
       join family as f on f.oid = c.oid
      where c.relowner = any ($1::pg_catalog.oid[])
   )
   and not exists (
     select from part as x
       join pg_catalog.pg_depend as d on d.classid = x.class and d.objid = x.oid
       left join pg_catalog.pg_operator as o
         on d.refclassid = 'pg_catalog.pg_operator'::pg_catalog.regclass and o.oid = d.refobjid
       join pg_catalog.pg_proc as p
         on p.oid = o.oprcode
         or d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass and p.oid = d.refobjid
      where p.proowner = any ($1::pg_catalog.oid[]) or o.oprowner = any ($1::pg_catalog.oid[])
   ) as is_ours
"""


async def foreign_objects(fetch: Fetch, schemas: Sequence[str]) -> list[str]:
    """Sentences about what untrusted roles own in these schemas or may add to them; empty: nothing.

    If the list is empty, superusers, this login, or roles that no other login may become have defined
    everything in them.
    """
    rows = await fetch(_FOREIGN_OBJECTS, await _untrusted(fetch), list(schemas))
    return [f"In the schema {row['schema']}, another login {row['what']}." for row in rows]


async def is_ours(fetch: Fetch, schema: str, table: str) -> bool:
    """Whether reading this table runs nothing that an untrusted role has defined."""
    [row] = await fetch(_IS_OURS, await _untrusted(fetch), schema, table)
    return bool(row["is_ours"])


async def _untrusted(fetch: Fetch) -> list[int]:
    return [row["oid"] for row in await fetch(_UNTRUSTED)]
