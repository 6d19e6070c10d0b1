"""`postgate doctor`: reports what is insecure, in which object, and the statement that fixes it.

`postgate check` reports whether gateway, database and PostgREST fit together; the doctor, whether they are
secure. Each file has one subject: `look` reads (I/O, read-only, bounded in time) and `judge` decides (pure).
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from app.database import DatabaseUnreachable, connected
from app.diagnostics.check import Level, schema
from app.diagnostics.doctor import (
    cookies,
    credentials,
    functions,
    logins,
    memberships,
    paths,
    people,
    postgrest,
    reach,
    schemas,
    scope,
    secrets,
    server,
    shadows,
    sources,
    tables,
    tokens,
    views,
)
from app.diagnostics.doctor.findings import Finding, Rule, Severity, in_order
from app.diagnostics.doctor.logins import Login, Part
from app.diagnostics.doctor.reading import Reader, reading
from app.diagnostics.doctor.roles import Roles
from app.diagnostics.doctor.rules import RULES
from app.diagnostics.doctor.scope import Scope
from app.settings import Settings, variable

__all__ = ["RULES", "Finding", "Rule", "Severity", "run_doctor"]

LONGEST_SECONDS: Final = 60.0

_URL_OF: Final = {
    Part.GATEWAY: "database_url",
    Part.OWNER: "owner_database_url",
    Part.POSTGREST: "authenticator_database_url",
}
_NOT_CHECKED_WITHOUT: Final = {
    Part.OWNER: "stored passwords, users' roles and how SQL signs",
    Part.POSTGREST: "settings and logging as PostgREST's login has them",
}


@dataclass(slots=True)
class _Visit:
    """The state of one run."""

    settings: Settings
    found: list[Finding] = field(default_factory=list)
    logins: list[Login] = field(default_factory=list)
    urls: dict[Part, str] = field(default_factory=dict)  # of the logins that can connect
    exposed: Sequence[str] | None = None
    setting_names: frozenset[str] = frozenset()
    columns: Sequence[credentials.Column] = ()


async def run_doctor(settings: Settings, *, seconds: float = LONGEST_SECONDS) -> list[Finding]:
    """Findings about every server of the settings, within `seconds`, the worst first. Changes nothing."""
    visit = _Visit(settings)
    try:
        async with asyncio.timeout(seconds):
            await _connect(visit)
            await _examine(visit)
    except TimeoutError:
        visit.found.append(
            reach.UNREACHABLE.broken(
                "the rest",
                detail=f"It was not reached within {seconds:.0f} s.",
                fix="Run it again when the servers have less to do.",
            )
        )
    return in_order(visit.found)


async def _connect(visit: _Visit) -> None:
    """Probe PostgREST, and connect as every login that is set."""
    seen = await postgrest.visit(visit.settings)
    visit.found += seen.findings
    visit.exposed = seen.exposed
    for part, url in logins.urls(visit.settings):
        try:
            visit.logins.append(await logins.look(part, url))
            visit.urls[part] = url
        except DatabaseUnreachable as error:
            _add_unreachable(visit, part, error)
    visit.found += server.judge(visit.logins)
    for part, what in _NOT_CHECKED_WITHOUT.items():
        if getattr(visit.settings, _URL_OF[part]) is None:
            fix = f"Set {variable(_URL_OF[part])} for this command."
            visit.found.append(reach.NOT_CHECKED.broken(what, fix=fix))


async def _examine(visit: _Visit) -> None:
    """Read the catalogue as the first login that can connect: it is the same for every login."""
    if not visit.logins:
        return
    part = visit.logins[0].part
    try:
        async with reading(visit.urls[part], visit.found) as reader:
            where, graph = await scope.look(reader, visit.settings, visit.logins, visit.exposed)
            await _read_catalogue(visit, reader, where, graph)
        part = Part.OWNER
        if part in visit.urls:
            async with reading(visit.urls[part], visit.found) as reader:
                visit.setting_names |= {*await secrets.look_at_files(reader)}
                await _read_rows(visit, reader, where)
            await _check_signing(visit, where)
        for part in (Part.GATEWAY, Part.POSTGREST):
            if part in visit.urls:
                await _read_settings_as(visit, part, where)
    except DatabaseUnreachable as error:
        _add_unreachable(visit, part, error)


async def _read_catalogue(visit: _Visit, reader: Reader, where: Scope, graph: Roles) -> None:
    every = await functions.look(reader, where)
    stored = await secrets.look_at_stored(reader)
    all_tables = await tables.look(reader, where)
    bypassed = await views.look(reader, where)
    visit.columns = await credentials.look_at_columns(reader, where)
    seen = await paths.look(reader)
    on_path = paths.on_path(seen, every, where, graph.roles)
    owned = await shadows.look(reader, on_path, where)
    casts = await shadows.look_at_casts(reader, where)
    names = (name for function in every for name in sources.settings(function.source))
    visit.setting_names = frozenset(
        {*secrets.WELL_KNOWN, *(setting.name for setting in stored), *filter(secrets.is_secret, names)}
    )
    pre_requests = {setting.pre_request for setting in stored if setting.pre_request}
    visit.found += [
        *memberships.judge(where, graph, visit.logins),
        *schemas.judge(where),
        *paths.judge(seen, on_path, every, where, visit.logins[0].database),
        *shadows.judge(owned, casts, where),
        *functions.judge(every, where, pre_requests=pre_requests),
        *tokens.judge(every, where),
        *tokens.judge_lifetimes(every, where),
        *tokens.judge_sources(every, secrets.written(visit.settings)),
        *secrets.judge(stored, (), visit.settings),
        *secrets.judge_configuration(stored, where),
        *tables.judge(all_tables, where),
        *views.judge(all_tables, bypassed, where),
        *cookies.judge(every, visit.settings),
        *credentials.judge_columns(visit.columns, every),
        *credentials.judge_salts(every),
    ]


async def _read_settings_as(visit: _Visit, part: Part, where: Scope) -> None:
    """Check the settings that roles of clients can read in a session of this login."""
    clients = [where.anon] if part is Part.GATEWAY else where.clients
    async with reading(visit.urls[part], visit.found) as reader:
        stored = await secrets.look_at_stored(reader)
        for client in clients:
            readable = await secrets.look_at_readable(reader, visit.setting_names, client)
            visit.found += secrets.judge(stored, readable, visit.settings)


async def _read_rows(visit: _Visit, reader: Reader, where: Scope) -> None:
    if where.is_ours:
        visit.found += people.judge(await people.look(reader))
    for column in visit.columns:
        if column.is_password:
            visit.found += credentials.judge_shapes(column, await credentials.look_at_shapes(reader, column))


async def _check_signing(visit: _Visit, where: Scope) -> None:
    if not where.is_ours:
        return
    async with connected(visit.urls[Part.OWNER]) as connection:
        signed = await schema.sign(connection, visit.settings)
    if signed.foreign_objects:
        visit.found.append(
            reach.NOT_CHECKED.broken("how SQL signs", detail=signed.foreign_objects[0], fix=reach.LOOK_FIRST)
        )
    if signed.remedies:
        detail = "The server would write the secret into its log."
        visit.found.append(reach.NOT_CHECKED.broken("how SQL signs", detail=detail))
    visit.found += [
        people.SIGNATURE_REJECTED.broken("schema auth", detail=finding.text, fix=finding.fix)
        for finding in schema.judge_signed(signed, visit.settings)
        if finding.level is Level.PROBLEM
    ]


def _add_unreachable(visit: _Visit, part: Part, error: DatabaseUnreachable) -> None:
    detail = f"{str(error).capitalize()}."
    if part is Part.GATEWAY:
        visit.found.append(reach.DATABASE_UNREACHABLE.broken(part.value, detail=detail))
    else:
        fix = f"Correct {variable(_URL_OF[part])}, or unset it."
        visit.found.append(reach.UNREACHABLE.broken(part.value, detail=detail, fix=fix))
