"""The schemas that are in a search_path, and the logins that may create objects in them.

If SQL leaves the schema out, it may call a login's function or operator instead of the built-in of the same
name, with the rights of the caller (CVE-2018-1058). Up to PostgreSQL 14, and in databases that were upgraded
from it, every login may create objects in the schema public.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.functions import Function, entries
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.scope import Schema, Scope

CREATES_ON_PATH: Final = Rule(
    "PD306",
    Severity.WARNING,
    "Logins may create objects in a schema that is in another role's search_path.",
    "A function or operator that a login creates there under the name of a built-in runs with the rights of "
    "any caller that leaves the schema out: auth functions, security definer functions, superusers. Up to "
    "PostgreSQL 14, every login may create in the schema public.",
    "Revoke create.",
)
CREATES_SCHEMAS: Final = Rule(
    "PD307",
    Severity.WARNING,
    "Logins besides the owner may create schemas in the database.",
    "A schema with the name of a role comes first in that role's search_path. A login that creates a schema "
    "with the name that `postgate migrate` or a recipe will use owns that schema.",
    "Revoke create on the database.",
)

_PUBLIC: Final = "public"  # the default of PostgREST's extra search path
_LOOK: Final = """
select array(
         select pg_catalog.substr(s.entry, pg_catalog.strpos(s.entry, '=') + 1)
           from pg_catalog.pg_db_role_setting as x
           cross join lateral pg_catalog.unnest(x.setconfig) as s (entry)
           left join pg_catalog.pg_database as o on o.oid = x.setdatabase
          where coalesce(o.datname = d.datname, true)
            and pg_catalog.split_part(s.entry, '=', 1) in ('search_path', 'pgrst.db_extra_search_path')
          limit 1000
       ) as paths,
       array(
         select distinct coalesce(g.rolname::pg_catalog.text, 'public')
           from pg_catalog.aclexplode(d.datacl) as a
           left join pg_catalog.pg_roles as g on g.oid = a.grantee
          where a.grantee <> d.datdba and a.privilege_type = 'CREATE'
       ) as creators
  from pg_catalog.pg_database as d
 where d.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    paths: Sequence[str] = ()  # as set for roles and for PostgREST
    creators: Sequence[str] = ()  # the roles that may create schemas, `public` included, the owner excluded


async def look(reader: Reader) -> Paths:
    rows = await reader.rows("the search paths of roles", _LOOK)
    return Paths(**fields(rows[0])) if rows else Paths()


def on_path(seen: Paths, functions: Sequence[Function], scope: Scope, roles: Iterable[str]) -> list[str]:
    """The schemas that are in any search_path, by name."""
    names = {_PUBLIC, *scope.exposed, *scope.auth, *scope.extensions, *roles}
    names |= {name for path in seen.paths for name in entries(path)}
    names |= {name for function in functions if function.is_definer for name in function.search_path or ()}
    return sorted(names & scope.schemas.keys())


def judge(
    seen: Paths, schemas: Sequence[str], functions: Sequence[Function], scope: Scope, database: str
) -> list[Finding]:
    watched = [function for function in functions if function.is_definer and function.schema in scope.watched]
    # Clients that may create objects there have their own finding
    reported = {*scope.watched, *(name for function in watched for name in function.search_path or ())}
    return [*_judge_schemas(schemas, reported, scope), *_judge_database(seen, scope, database)]


def _judge_schemas(names: Sequence[str], reported: set[str], scope: Scope) -> Iterable[Finding]:
    for name in names:
        schema = scope.schemas[name]
        grantees = scope.untrusted_grantees(schema.create_grantees)
        if name in reported:
            grantees = [grantee for grantee in grantees if grantee not in _of_clients(schema, scope)]
        if grantees:
            yield CREATES_ON_PATH.broken(
                f"schema {sql_name(name)}",
                detail=_by(grantees),
                sql=f"revoke create on schema {sql_name(name)} from {_list(grantees)};",
            )


def _of_clients(schema: Schema, scope: Scope) -> Sequence[str]:
    clients = scope.granted(schema.creators, schema.create_grantees, schema.owner)
    return scope.reaching(clients, schema.create_grantees) if clients else ()


def _judge_database(seen: Paths, scope: Scope, database: str) -> Iterable[Finding]:
    if grantees := scope.untrusted_grantees(seen.creators):
        yield CREATES_SCHEMAS.broken(
            f"database {sql_name(database)}",
            detail=_by(grantees),
            sql=f"revoke create on database {sql_name(database)} from {_list(grantees)};",
        )


def _by(grantees: Sequence[str]) -> str:
    return "By every login." if _PUBLIC in grantees else f"By {_list(grantees)}."


def _list(grantees: Sequence[str]) -> str:
    return ", ".join(name if name == _PUBLIC else sql_name(name) for name in grantees)
