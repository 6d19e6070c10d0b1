"""Views that show clients rows that row level security would hide.

A view reads with the rights of its owner, unless it is `security_invoker` (PostgreSQL 15); a materialized
view contains rows that it read earlier. Views on views are followed, with the role that reads at each step.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.reading import Reader, fields
from app.diagnostics.doctor.scope import Scope
from app.diagnostics.doctor.tables import Table

BYPASSING_VIEW: Final = Rule(
    "PD404",
    Severity.WARNING,
    "A view shows clients rows that row level security would hide.",
    "It reads with the rights of its owner, to whom the policies do not apply: every client sees every row "
    "that the view itself does not filter.",
    "Let it read with the rights of its caller: security_invoker, from PostgreSQL 15 on. Before 15, give "
    "the view to a role to which the policies apply.",
)
BYPASSING_COPY: Final = Rule(
    "PD405",
    Severity.WARNING,
    "A materialized view shows clients a copy of rows that row level security would hide.",
    "It contains what its owner could read, and has no policies.",
    "Revoke it, and offer a function or a view that filters rows by reader.",
)

INVOKER_VIEWS: Final = 150000  # server_version_num that introduced them

# `reader`: the role that reads a relation at that step; null for the caller, to whom policies apply.
# `owning`: the views of the chain that read as their owners
_LOOK: Final = """
with recursive step (root, relation, reader, owning) as (
  select c.oid, c.oid, null::pg_catalog.oid, array[]::pg_catalog.oid[]
    from pg_catalog.pg_class as c
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
   where n.nspname::pg_catalog.text = any($1::pg_catalog.text[]) and c.relkind in ('v', 'm')
  union
  select
    s.root,
    d.refobjid,
    case when v.is_invoker then s.reader else v.relowner end,
    case when v.is_invoker then s.owning else s.owning || v.oid end
    from step as s
    join (
      select
        c.*,
        c.relkind = 'v'
        and coalesce(pg_catalog.array_to_string(c.reloptions, ','), '') ~* 'security_invoker=(true|on|yes|1)'
        as is_invoker
        from pg_catalog.pg_class as c
       where c.relkind in ('v', 'm')
    ) as v on v.oid = s.relation
    join pg_catalog.pg_rewrite as w on w.ev_class = v.oid
    join pg_catalog.pg_depend as d
      on d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass
     and d.objid = w.oid
     and d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
     and d.refobjid <> v.oid
)
select n.nspname::pg_catalog.text as schema,
       c.relname::pg_catalog.text as name,
       pg_catalog.array_agg(distinct pg_catalog.format('%I.%I', tn.nspname, t.relname)) as tables,
       pg_catalog.array_agg(distinct pg_catalog.format('%I.%I', vn.nspname, v.relname)) as owning,
       pg_catalog.bool_or(v.relkind = 'm') as is_copied
  from step as s
  join pg_catalog.pg_class as c on c.oid = s.root
  join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
  join pg_catalog.pg_class as t on t.oid = s.relation and t.relrowsecurity
  join pg_catalog.pg_namespace as tn on tn.oid = t.relnamespace
  join pg_catalog.pg_roles as r on r.oid = s.reader
  join pg_catalog.pg_class as v on v.oid = any(s.owning)
  join pg_catalog.pg_namespace as vn on vn.oid = v.relnamespace
 where r.rolsuper
    or r.rolbypassrls
    or (not t.relforcerowsecurity and pg_catalog.pg_has_role(r.oid, t.relowner, 'usage'))
 group by 1, 2
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bypass:
    """A view that bypasses policies; all names in SQL's spelling."""

    schema: str
    name: str
    tables: Sequence[str]  # with these policies
    owning: Sequence[str]  # the views that read as their owners: itself, or views that it reads
    is_copied: bool  # one of them is materialized


async def look(reader: Reader, scope: Scope) -> list[Bypass]:
    return [Bypass(**fields(row)) for row in await reader.rows("the views", _LOOK, list(scope.watched))]


def judge(tables: Sequence[Table], bypasses: Sequence[Bypass], scope: Scope) -> list[Finding]:
    bypass_of = {(bypass.schema, bypass.name): bypass for bypass in bypasses}
    findings = []
    for view in tables:
        bypass = bypass_of.get((view.schema, view.name))
        clients = scope.granted(sorted({*view.readers, *view.writers}), view.grantees, view.owner)
        if bypass is None or not clients:
            continue
        rule, sql = BYPASSING_VIEW, ""
        if view.kind == "m":
            grants = scope.grants(clients, view.grantees)
            rule, sql = BYPASSING_COPY, f"revoke all on {view.sql} from {grants};" if grants else ""
        elif scope.version >= INVOKER_VIEWS and not bypass.is_copied:
            sql = "\n".join(f"alter view {name} set (security_invoker = true);" for name in bypass.owning)
        readers = ", ".join(map(sql_name, clients))
        findings.append(
            rule.broken(view.where, detail=f"{readers} may see {', '.join(bypass.tables)} with it.", sql=sql)
        )
    return findings
