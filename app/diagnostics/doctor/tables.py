"""The tables and views that clients may use, and whether they have row level security.

Tables of extensions are excluded. The content of policies is not judged.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.memberships import GATEWAY_HAS_MORE
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.scope import Scope

OPEN_TO_WRITES: Final = Rule(
    "PD401",
    Severity.DANGER,
    "Clients may write a table that has no row level security.",
    "A client with this role can write every row, those of other users included.",
    "Enable it, and write policies for who may do what. Without a policy, no row is accessible.",
)
OPEN_TO_READS: Final = Rule(
    "PD402",
    Severity.WARNING,
    "Clients may read a table that has no row level security.",
    "A client with this role can read every row. That suits a list of countries, and few other tables.",
    "Enable it, and write a policy for who may read what: using (true) for every row.",
)
OWNED_BY_CLIENT: Final = Rule(
    "PD403",
    Severity.DANGER,
    "Row level security does not apply to a role of clients, which owns the table.",
    "Unless row level security is forced, policies do not apply to the owner of a table and to roles that "
    "inherit from it.",
    "Force it, or give the table to a role that no token can name.",
)
ANONYMOUS_WRITES: Final = Rule(
    "PD406",
    Severity.WARNING,
    "Clients may write without a session.",
    "A contact form needs this; other tables fill with unwanted rows.",
    "Revoke it, unless it is intended.",
)
AUTH_TABLE: Final = Rule(
    "PD407",
    Severity.DANGER,
    "Clients have rights on a table of the auth schema that has no row level security.",
    "It holds password hashes, sessions or roles: one view or function that shows it exposes them.",
    "Revoke them: auth functions that need the table are security definer functions.",
)

_MOST: Final = 10_000

_LOOK: Final = """
select n.nspname::pg_catalog.text as schema,
       c.relname::pg_catalog.text as name,
       c.relkind::pg_catalog.text as kind,
       pg_catalog.pg_get_userbyid(c.relowner)::pg_catalog.text as owner,
       c.relrowsecurity as has_policies,
       c.relforcerowsecurity as is_forced,
       array(
         select distinct coalesce(g.rolname::pg_catalog.text, 'public')
           from (
             select * from pg_catalog.aclexplode(c.relacl)
             union all
             select x.*
               from pg_catalog.pg_attribute as a
               cross join pg_catalog.aclexplode(a.attacl) as x
              where a.attrelid = c.oid
           ) as x
           left join pg_catalog.pg_roles as g on g.oid = x.grantee
          where x.grantee <> c.relowner
       ) as grantees,
       array(
         select r.rolname::pg_catalog.text from pg_catalog.pg_roles as r
          where r.rolname::pg_catalog.text = any($2::pg_catalog.text[])
            and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
            and pg_catalog.has_any_column_privilege(r.oid, c.oid, 'select')
          order by 1
       ) as readers,
       array(
         select r.rolname::pg_catalog.text from pg_catalog.pg_roles as r
          where r.rolname::pg_catalog.text = any($2::pg_catalog.text[])
            and pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
            and (
              pg_catalog.has_any_column_privilege(r.oid, c.oid, 'insert, update')
              or pg_catalog.has_table_privilege(r.oid, c.oid, 'delete')
            )
          order by 1
       ) as writers,
       array(
         select k.command
           from (values ('insert', 'a', 8), ('update', 'w', 4), ('delete', 'd', 16))
                as k (command, letter, bit)
           join pg_catalog.pg_roles as r on r.rolname::pg_catalog.text = $3
          where pg_catalog.has_schema_privilege(r.oid, n.oid, 'usage')
            and case k.command
                  when 'delete' then pg_catalog.has_table_privilege(r.oid, c.oid, 'delete')
                  else pg_catalog.has_any_column_privilege(r.oid, c.oid, k.command)
                end
            and case
                  when c.relkind = 'v' then pg_catalog.pg_relation_is_updatable(c.oid, true) & k.bit > 0
                  when not c.relrowsecurity then true
                  else exists (
                    select from pg_catalog.pg_policy as y
                     where y.polrelid = c.oid
                       and y.polpermissive
                       and y.polcmd::pg_catalog.text in ('*', k.letter)
                       and exists (
                         select from pg_catalog.unnest(y.polroles) as g
                          where case when g = 0 then true else pg_catalog.pg_has_role(r.oid, g, 'usage') end
                       )
                  )
                end
       ) as anonymous_commands
  from pg_catalog.pg_class as c
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
 where n.nspname::pg_catalog.text = any($1::pg_catalog.text[])
   and c.relkind in ('r', 'p', 'v', 'm', 'f')
   and not exists (
     select from pg_catalog.pg_depend as d
      where d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
        and d.objid = c.oid
        and d.objsubid = 0
        and d.deptype = 'e'
   )
 order by 1, 2
 limit $4
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A relation with rows; `has_policies`: row level security is enabled."""

    schema: str
    name: str
    kind: str
    owner: str
    has_policies: bool
    is_forced: bool
    grantees: Sequence[str]
    readers: Sequence[str]
    writers: Sequence[str]
    anonymous_commands: Sequence[str]

    @property
    def sql(self) -> str:
        return f"{sql_name(self.schema)}.{sql_name(self.name)}"

    @property
    def where(self) -> str:
        kinds = {"v": "view", "m": "materialized view", "f": "foreign table"}
        return f"{kinds.get(self.kind, 'table')} {self.sql}"

    @property
    def can_have_policies(self) -> bool:
        return self.kind in {"r", "p"}


async def look(reader: Reader, scope: Scope) -> list[Table]:
    rows = await reader.rows(
        "the tables", _LOOK, list(scope.watched), list(scope.clients), scope.anon, _MOST + 1
    )
    if len(rows) > _MOST:
        reader.add_not_checked("some of the tables", f"there are more than {_MOST}")
    return [Table(**fields(row)) for row in rows[:_MOST]]


def judge(tables: Sequence[Table], scope: Scope) -> list[Finding]:
    findings: list[Finding] = []
    for table in tables:
        is_exposed = table.schema in scope.exposed
        if is_exposed:
            findings += _judge_anonymous(table, scope)
        if scope.gateway in table.grantees:
            sql = _revoke("all", table, sql_name(scope.gateway))
            findings.append(GATEWAY_HAS_MORE.broken(table.where, detail="It has rights on this.", sql=sql))
        if table.kind in {"v", "m"}:
            continue
        if table.has_policies:
            findings += _judge_owner(table, scope)
        elif is_exposed:
            findings += _judge_exposed(table, scope)
        else:
            findings += _judge_auth(table, scope)
    return findings


def _judge_anonymous(table: Table, scope: Scope) -> Iterable[Finding]:
    commands = ", ".join(table.anonymous_commands)
    if commands and scope.granted([scope.anon], table.grantees, table.owner):
        yield ANONYMOUS_WRITES.broken(
            table.where,
            detail=f"The role {sql_name(scope.anon)} may {commands}.",
            sql=_revoke(commands, table, scope.grants([scope.anon], table.grantees)),
        )


def _judge_owner(table: Table, scope: Scope) -> Iterable[Finding]:
    owning = [client for client, roles in scope.held.items() if table.owner in roles]
    if owning and not table.is_forced:
        yield OWNED_BY_CLIENT.broken(
            table.where,
            detail=f"It is owned by {sql_name(table.owner)}, "
            f"whose rights these have: {', '.join(map(sql_name, owning))}.",
            sql=f"alter table {table.sql} force row level security;",
        )


def _judge_exposed(table: Table, scope: Scope) -> Iterable[Finding]:
    writers = scope.granted(table.writers, table.grantees, table.owner)
    readers = scope.granted(table.readers, table.grantees, table.owner)
    rule, clients = (OPEN_TO_WRITES, writers) if writers else (OPEN_TO_READS, readers)
    if not clients:
        return
    if table.can_have_policies:
        sql = f"alter table {table.sql} enable row level security;"
        if not table.is_forced and any(table.owner in roles for roles in scope.held.values()):
            sql += f"\nalter table {table.sql} force row level security;"  # else not for its owner
        yield rule.broken(table.where, detail=_by(clients), sql=sql)
    else:
        yield rule.broken(
            table.where,
            detail=_by(clients),
            sql=_revoke("all", table, scope.grants(clients, table.grantees)),
            fix=(
                "Foreign tables cannot have it: revoke the rights, and offer a function or a view that "
                "filters rows by reader."
            ),
        )


def _judge_auth(table: Table, scope: Scope) -> Iterable[Finding]:
    having = scope.granted(sorted({*table.readers, *table.writers}), table.grantees, table.owner)
    if having:
        statements = [_revoke("all", table, scope.grants(having, table.grantees))]
        if any(table.owner in roles for roles in scope.held.values()):
            statements.append(scope.take_over(table.where))
        sql = "\n".join(filter(None, statements))
        yield AUTH_TABLE.broken(table.where, detail=_by(having), sql=sql)


def _revoke(what: str, table: Table, grants: str) -> str:
    return f"revoke {what} on {table.sql} from {grants};" if grants else ""


def _by(clients: Sequence[str]) -> str:
    return f"By {', '.join(map(sql_name, clients))}."
