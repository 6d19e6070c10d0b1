"""The function that admits tokens of issuers: without it, no such token is admitted."""

from typing import Final

from app.database import Connection
from app.diagnostics.check.findings import Finding, problem, sql_name
from app.settings import Settings, variable

FUNCTION: Final = "admit"

_LOOK: Final = """
select exists (
  select
    from pg_catalog.pg_proc as p
    join pg_catalog.pg_namespace as auth on auth.oid = p.pronamespace
    join pg_catalog.pg_roles as anon on anon.rolname = $1
   where auth.nspname = $2
     and p.proname = $3
     and p.prokind = 'f'
     and p.pronargs - p.pronargdefaults <= 1
     and 'claims' = any (p.proargnames)
     and pg_catalog.has_function_privilege(anon.oid, p.oid, 'execute')
)
"""


async def look(connection: Connection, settings: Settings) -> bool:
    """Whether the anonymous role may call the function."""
    return bool(await connection.fetchval(_LOOK, settings.anon_role, settings.auth_schema, FUNCTION))


def judge(settings: Settings, *, admits: bool) -> list[Finding]:
    if admits or not settings.issuers:
        return []
    role, schema = sql_name(settings.anon_role), sql_name(settings.auth_schema)
    return [
        problem(
            f"{variable('issuers')} is set, and the role {role} may call no {schema}.{FUNCTION}(claims jsonb)"
            ": every token of an issuer is rejected with 403.",
            f"Run `postgate migrate`, or create the function, and grant execute on it to {role}: "
            "docs/issuers.md.",
        )
    ]
