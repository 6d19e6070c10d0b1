"""What `postgate check` finds out: everything that is wrong, at once, with what to do about it.

Three visits at the same time, as the gateway's login, as the owner's, and to PostgREST; and a look at
this process. Each of them looks (I/O) and judges (pure) in a file of its own.
"""

import asyncio

from app.checks import agreement, limits, login, schema, upstream
from app.checks.findings import Finding, Level, ok, problem
from app.database import DatabaseUnreachable
from app.settings import Settings, variable

__all__ = ["Finding", "Level", "run_checks"]


async def run_checks(settings: Settings) -> list[Finding]:
    """Look at everything the settings name, and change nothing."""
    database, postgrest = await asyncio.gather(_check_database(settings), _check_postgrest(settings))
    return [
        ok("The settings can be used."),
        *database,
        *postgrest,
        *limits.judge(limits.look(), settings),
    ]


async def _check_database(settings: Settings) -> list[Finding]:
    findings = []
    has_functions = False
    try:
        seen = await login.look(settings)
    except DatabaseUnreachable as error:
        findings.append(
            problem(
                f"The gateway's login cannot connect to the database: {error}.",
                f"Start the database, or set {variable('database_url')} right.",
            )
        )
        if settings.owner_database_url is None:
            return findings
    else:
        has_functions = login.has_every_function(seen, settings)
        findings += login.judge(seen, settings)
    return findings + await _check_schema(settings, has_functions=has_functions)


async def _check_schema(settings: Settings, *, has_functions: bool) -> list[Finding]:
    try:
        book, signed = await schema.look(settings)
    except DatabaseUnreachable as error:
        return [
            problem(
                f"The owner's login cannot connect to the database: {error}.",
                f"Set {variable('owner_database_url')} right, or unset it where only the gateway runs.",
            )
        ]
    return schema.judge(book, signed, settings, has_functions=has_functions)


async def _check_postgrest(settings: Settings) -> list[Finding]:
    try:
        answers = await upstream.look(settings)
    except upstream.PostgrestUnreachable as error:
        return [
            problem(
                f"PostgREST cannot be reached: {error}.",
                f"Start it, or set {variable('postgrest_url')} right. "
                "For a socket: PGRST_SERVER_UNIX_SOCKET_MODE=660 and a group in common.",
            )
        ]
    return agreement.judge(answers, settings)
