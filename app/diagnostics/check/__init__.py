"""`postgate check`: reports every problem at once, each with a fix.

It examines the database as the gateway's login and as the owner's, PostgREST, and this process. In each file,
`look` reads (I/O) and `judge` decides (pure).
"""

from collections.abc import Sequence

from app.database import DatabaseUnreachable
from app.diagnostics.check import (
    agreement,
    grantable,
    limits,
    login,
    mail,
    schema,
    sites,
    token,
    transport,
    upstream,
)
from app.diagnostics.check.findings import Finding, Level, ok, problem
from app.diagnostics.check.token import check_token
from app.settings import Settings, ignored_variables, variable

__all__ = ["Finding", "Level", "check_token", "run_checks"]


async def run_checks(settings: Settings) -> list[Finding]:
    """Check every server that the settings name. Changes nothing."""
    found = [ok("The settings are valid.")]
    seen = await _visit_as_gateway(settings, found)
    roles: Sequence[str] = ()
    known = grantable.UNKNOWN
    if seen is not None or settings.owner_database_url is not None:
        has_functions = seen is not None and login.has_every_function(seen, settings)
        roles, known = await _visit_as_owner(settings, found, has_functions=has_functions)
    await _visit_postgrest(settings, found, roles, known)
    found += await mail.check(settings)
    found += transport.judge(settings)
    found += sites.judge(settings)
    found += token.judge_settings(settings)
    found += limits.judge(limits.look(), settings)
    found += limits.judge_ignored(ignored_variables())
    return found


async def _visit_as_gateway(settings: Settings, found: list[Finding]) -> login.Login | None:
    try:
        seen = await login.look(settings)
    except DatabaseUnreachable as error:
        fix = f"Start the database, or correct {variable('database_url')}."
        found.append(problem(f"The gateway's login cannot connect to the database: {error}.", fix))
        return None
    found += login.judge(seen, settings)
    return seen


async def _visit_as_owner(
    settings: Settings, found: list[Finding], *, has_functions: bool
) -> tuple[Sequence[str], grantable.Known]:
    """The roles of users, and what the owner's login sees of roles."""
    try:
        seen = await schema.look(settings)
    except DatabaseUnreachable as error:
        fix = f"Correct {variable('owner_database_url')}, or unset it where only the gateway runs."
        found.append(problem(f"The owner's login cannot connect to the database: {error}.", fix))
        return (), grantable.UNKNOWN
    found += schema.judge(seen, settings, has_functions=has_functions)
    return seen.roles, seen.known


async def _visit_postgrest(
    settings: Settings, found: list[Finding], roles: Sequence[str], known: grantable.Known
) -> None:
    try:
        responses = await upstream.look(settings, roles)
    except upstream.PostgrestUnreachable as error:
        fix = (
            f"Start it, or correct {variable('postgrest_url')}. A socket needs "
            "PGRST_SERVER_UNIX_SOCKET_MODE=660, and the gateway's user must be in its group."
        )
        found.append(problem(f"PostgREST is unreachable: {error}.", fix))
        return
    found += agreement.judge(responses, settings, known)
