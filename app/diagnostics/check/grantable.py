"""Which roles a proposed statement may grant, and to whom: it must not grant more than clients need."""

from dataclasses import dataclass
from typing import Final

from app.database import Connection

_KNOWN: Final = """
select (
         select s.usename::pg_catalog.text
           from pg_catalog.pg_stat_activity as s
          where s.datname = d.datname and s.application_name ilike 'postgrest%'
          group by s.usename
          order by pg_catalog.count(*) desc
          limit 1
       ) as postgrest,
       array(
         select r.rolname::pg_catalog.text
           from pg_catalog.pg_roles as r
          where not exists (
            select from pg_catalog.pg_roles as held
             where pg_catalog.pg_has_role(r.oid, held.oid, 'member')
               and (
                 held.rolsuper
                 or held.rolbypassrls
                 or held.rolcreaterole
                 or held.rolcreatedb
                 or held.rolreplication
                 or held.rolcanlogin
                 or pg_catalog.starts_with(held.rolname::pg_catalog.text, 'pg_')
                 or held.rolname = 'auth_owner'
                 or held.oid = d.datdba
                 or held.oid in (select n.nspowner from pg_catalog.pg_namespace as n)
               )
          )
       ) as for_clients
  from pg_catalog.pg_database as d
 where d.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """The owner's view of roles. Without the owner's login, no grant is proposed."""

    postgrest: str = ""  # PostgREST's login, read from its open connection
    for_clients: frozenset[str] = frozenset()  # the roles that have only granted rights


UNKNOWN: Final = Known()


async def look(connection: Connection) -> Known:
    """Reads system catalogues only."""
    row = await connection.fetchrow(_KNOWN)
    if row is None:
        return UNKNOWN
    return Known(postgrest=row["postgrest"] or "", for_clients=frozenset(row["for_clients"]))
