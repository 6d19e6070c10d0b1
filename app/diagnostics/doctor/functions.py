"""The functions of the database, in particular those that run with their owner's rights.

Functions of extensions are excluded: they are changed with their extension.
"""

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.scope import Scope

OPEN_DEFINER: Final = Rule(
    "PD201",
    Severity.DANGER,
    "A security definer function has no fixed search_path.",
    "Its caller chooses which tables and functions the names in it mean, and they run with the rights of "
    "its owner.",
    "Set its search_path, with pg_temp at the end. Then write the schema of each name that is not found.",
)
PLANTABLE_DEFINER: Final = Rule(
    "PD202",
    Severity.WARNING,
    "The search_path of a security definer function has a schema in which clients may create objects.",
    "An object that a client creates there under the name of a built-in or a helper runs with the rights of "
    "the function's owner.",
    "Revoke the right to create in that schema, or remove the schema from the search_path.",
)
PUBLIC_FUNCTION: Final = Rule(
    "PD203",
    Severity.WARNING,
    "A function of an exposed or auth schema may be executed by `public`.",
    "PostgreSQL grants this for every new function: clients without a session and future roles may call it.",
    "Revoke it, and grant execute to the roles that need it. For future functions: alter default privileges "
    "revoke execute on functions from public.",
)
GATEWAY_LACKS_GRANT: Final = Rule(
    "PD509",
    Severity.WARNING,
    "The gateway's login may not execute a function that it needs.",
    "Without ended_sessions(), a gateway that starts does not know the revoked sessions and admits their "
    "access tokens until they expire. Without note_failure(), failed sign-ins are not recorded.",
    "Grant it to the gateway's login.",
)

_MOST: Final = 5_000
_MOST_CHARACTERS: Final = 50_000  # of the source of one function
_FOR_THE_GATEWAY: Final = ("ended_sessions", "note_failure")
_SEARCH_PATH: Final = "search_path="
_SCHEMA: Final = re.compile(r'"((?:[^"]|"")*)"|([^\s,"]+)').finditer

_LOOK: Final = """
select n.nspname::pg_catalog.text as schema,
       p.proname::pg_catalog.text as name,
       pg_catalog.oidvectortypes(p.proargtypes) as types,
       coalesce(p.proargnames, '{}')::pg_catalog.text[] as arguments,
       case p.prokind when 'p' then 'procedure' else 'function' end as kind,
       p.prorettype in (
         'pg_catalog.trigger'::pg_catalog.regtype, 'pg_catalog.event_trigger'::pg_catalog.regtype
       ) as is_trigger,
       pg_catalog.pg_get_userbyid(p.proowner)::pg_catalog.text as owner,
       p.prosecdef as is_definer,
       coalesce(p.proconfig, '{}') as settings,
       pg_catalog.left(coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), p.prosrc), $2) as source,
       array(
         select distinct coalesce(g.rolname::pg_catalog.text, 'public')
           from pg_catalog.aclexplode(coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) as a
           left join pg_catalog.pg_roles as g on g.oid = a.grantee
          where a.grantee <> p.proowner and a.privilege_type = 'EXECUTE'
       ) as grantees,
       array(
         select r.rolname::pg_catalog.text
           from pg_catalog.pg_roles as r
          where r.rolname::pg_catalog.text = any($1::pg_catalog.text[])
            and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
            and pg_catalog.has_function_privilege(r.oid, p.oid, 'execute')
          order by 1
       ) as callers
  from pg_catalog.pg_proc as p
  join pg_catalog.pg_namespace as n on n.oid = p.pronamespace
 where n.nspname !~ '^pg_'
   and n.nspname <> 'information_schema'
   and p.prokind in ('f', 'p')
   and not exists (
     select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass and d.objid = p.oid and d.deptype = 'e'
   )
 order by 1, 2, 3
 limit $3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    schema: str
    name: str
    types: str
    arguments: Sequence[str]
    kind: str
    owner: str
    is_trigger: bool
    is_definer: bool
    settings: Sequence[str]
    source: str
    grantees: Sequence[str]  # `public` included, its owner excluded
    callers: Sequence[str]  # among the roles of clients and the gateway's login

    @property
    def sql(self) -> str:
        return f"{sql_name(self.schema)}.{sql_name(self.name)}({self.types})"

    @property
    def where(self) -> str:
        return f"{self.kind} {self.sql}"

    @property
    def search_path(self) -> list[str] | None:
        """The schemas of the search_path that is set for it; None if it runs with its caller's."""
        for setting in self.settings:
            if setting.startswith(_SEARCH_PATH):
                return entries(setting.removeprefix(_SEARCH_PATH))
        return None

    def is_called_by_gateway(self, scope: Scope) -> bool:
        return self.schema == scope.auth_schema and self.name in scope.called


def entries(path: str) -> list[str]:
    """The schemas of a written search_path."""
    return [match[2] or match[1].replace('""', '"') for match in _SCHEMA(path)]


async def look(reader: Reader, scope: Scope) -> list[Function]:
    rows = await reader.rows(
        "the functions", _LOOK, [*scope.clients, scope.gateway], _MOST_CHARACTERS, _MOST + 1
    )
    if len(rows) > _MOST:
        reader.add_not_checked("some of the functions", f"there are more than {_MOST}")
    return [Function(**fields(row)) for row in rows[:_MOST]]


def judge(functions: Sequence[Function], scope: Scope, *, pre_requests: Collection[str]) -> list[Finding]:
    """`pre_requests`: functions of any schema that PostgREST calls before every request."""
    watched = [
        function
        for function in functions
        if function.schema in scope.watched
        or not {function.name, f"{function.schema}.{function.name}"}.isdisjoint(pre_requests)
    ]
    definers = [function for function in watched if function.is_definer]
    return [
        *_judge_open_definers(definers, scope),
        *_judge_writable_paths(definers, scope),
        *_judge_public(watched, scope),
        *_judge_gateway(functions, scope),
    ]


def _judge_open_definers(definers: Sequence[Function], scope: Scope) -> Iterable[Finding]:
    for function in definers:
        if function.search_path is None:
            # The caller's usual path, without the schemas in which clients or logins may create objects
            schemas = dict.fromkeys((function.schema, *scope.extensions))
            path = [sql_name(name) for name in schemas if not scope.is_open(scope.schemas[name])]
            sql = f"alter {function.where} set search_path = {', '.join([*path, 'pg_temp'])};"
            yield OPEN_DEFINER.broken(function.where, sql=sql)


def _judge_writable_paths(definers: Sequence[Function], scope: Scope) -> Iterable[Finding]:
    for function in definers:
        for name in function.search_path or ():
            schema = scope.schemas.get(name)
            if schema is None:
                continue
            if clients := scope.granted(schema.creators, schema.create_grantees, schema.owner):
                grants = scope.grants(clients, schema.create_grantees)
                yield PLANTABLE_DEFINER.broken(
                    function.where,
                    detail=f"{', '.join(map(sql_name, clients))} may create in {sql_name(name)}.",
                    sql=f"revoke create on schema {sql_name(name)} from {grants};"
                    if grants
                    else scope.take_over(f"schema {sql_name(name)}"),
                )


def _judge_public(watched: Sequence[Function], scope: Scope) -> Iterable[Finding]:
    for function in watched:
        if "public" in function.grantees and not function.is_trigger:
            # The gateway calls it as the anonymous role, which must keep the right
            keep = f"grant execute on {function.where} to {sql_name(scope.anon)};\n"
            sql = keep if function.is_called_by_gateway(scope) and scope.anon in scope.clients else ""
            yield PUBLIC_FUNCTION.broken(
                function.where, sql=f"{sql}revoke execute on {function.where} from public;"
            )


def _judge_gateway(functions: Sequence[Function], scope: Scope) -> Iterable[Finding]:
    for function in functions:
        is_for_it = function.schema == scope.auth_schema and function.name in _FOR_THE_GATEWAY
        # The gateway must not call a function of another login
        is_ours = function.owner not in scope.untrusted
        if is_for_it and is_ours and scope.gateway and scope.gateway not in function.callers:
            schema, gateway = sql_name(function.schema), sql_name(scope.gateway)
            yield GATEWAY_LACKS_GRANT.broken(
                function.where,
                sql=f"grant usage on schema {schema} to {gateway};\n"
                f"grant execute on {function.where} to {gateway};",
            )
