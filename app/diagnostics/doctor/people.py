"""The roles that users of the schema auth have, and how SQL signs for them: what the owner alone may ask."""

from collections.abc import Sequence
from typing import Final

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.reading import Reader, Row

ROLE_LOST: Final = Rule(
    "PD508",
    Severity.WARNING,
    "Users have a role that they may not have, or that is gone.",
    "They can neither sign in nor refresh. It came to more than they should have, or somebody dropped it.",
    "Give them another role, or disable them: `postgate user --help` says how.",
)
SIGNS_OTHERWISE: Final = Rule(
    "PD105",
    Severity.DANGER,
    "The SQL functions do not sign tokens that the gateway accepts with its own secret.",
    "Everybody who signs in is refused at once, or a key is in use that nobody has given to the gateway.",
    "Restore app/sql as released: `postgate check` says what is applied.",
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
