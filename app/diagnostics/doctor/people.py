"""The roles of users, and how SQL signs tokens. Only the owner may read these."""

from collections.abc import Sequence
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.reading import Reader, Row

ROLE_LOST: Final = Rule(
    "PD508",
    Severity.WARNING,
    "Users have a role that is not allowed or does not exist.",
    "They can neither sign in nor refresh. The role has gained rights that users must not have, or was "
    "dropped.",
    "Give them another role, or disable them: see `postgate user --help`.",
)
SIGNATURE_REJECTED: Final = Rule(
    "PD105",
    Severity.DANGER,
    "The gateway does not accept the tokens that the SQL functions sign with its secret.",
    "Either every user who signs in is rejected at once, or SQL signs with a key that the gateway does not "
    "have.",
    "Restore app/sql as released: `postgate check` lists what is applied.",
)

_ROLES: Final = """
select u.role::pg_catalog.text as role, pg_catalog.count(*)::integer as users
  from auth.user as u
 where u.disabled_at is null and not auth_private.role_is_assignable(u.role::pg_catalog.text)
 group by u.role
 order by u.role
 limit 50
"""


async def look(reader: Reader) -> Sequence[Row]:
    what = "the roles of users"
    if not await reader.is_called_safely(what, ("auth", "auth_private")):
        return []
    return await reader.rows(what, _ROLES, role="auth_owner")


def judge(rows: Sequence[Row]) -> list[Finding]:
    return [
        ROLE_LOST.broken(
            f"role {sql_name(row['role'])}",
            detail=f"{row['users']} {'user has' if row['users'] == 1 else 'users have'} it.",
        )
        for row in rows
    ]
