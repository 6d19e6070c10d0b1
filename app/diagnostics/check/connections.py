"""Whether the database has room for the connections that the settings ask for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.database import Connection, rolled_back
from app.diagnostics.check.findings import Finding, sql_name, warning
from app.settings import Settings, variable

POSTGREST_POOL: Final = 10  # PGRST_DB_POOL, unless it is set; PostgREST listens on one more
_UNLIMITED: Final = -1

_LOOK: Final = """
select pg_catalog.current_setting('max_connections')::integer
         - pg_catalog.current_setting('superuser_reserved_connections')::integer
         - coalesce(pg_catalog.current_setting('reserved_connections', true)::integer, 0) as server,
       d.datconnlimit as database,
       r.rolconnlimit as login,
       d.datname::pg_catalog.text as database_name,
       r.rolname::pg_catalog.text as login_name
  from pg_catalog.pg_database as d
  join pg_catalog.pg_roles as r on r.rolname = session_user
 where d.datname = pg_catalog.current_database()
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many connections may be open at once; -1 for a limit that is not set."""

    server: int  # except those reserved for superusers
    database: int
    login: int
    database_name: str
    login_name: str


async def look(connection: Connection) -> Room:
    async with rolled_back(connection):
        row = await connection.fetchrow(_LOOK)
    assert row is not None  # noqa: S101 (a session has a login and a database)
    return Room(**row)


def needed(settings: Settings) -> tuple[int, int]:
    """Connections of the gateway's workers, each with a listener, and of PostgREST."""
    return (
        settings.workers * (settings.database_connections + 1),
        (settings.postgrest_pool or POSTGREST_POOL) + 1,
    )


def judge(room: Room, settings: Settings) -> list[Finding]:
    """Warnings. Behind a pooler, the pooler opens the server's connections, so nothing is checked."""
    return [] if settings.listen_database_url is not None else list(_judge(room, settings))


def _judge(room: Room, settings: Settings) -> Iterator[Finding]:
    gateway, postgrest = needed(settings)
    lower = f"lower {variable('workers')} or {variable('database_connections')}"
    if room.login != _UNLIMITED and room.login < gateway:
        yield warning(
            f"The login {sql_name(room.login_name)} may have {room.login} connections, and the gateway may "
            f"open {gateway}.",
            f"Raise its connection limit to {gateway}, or {lower}.",
        )
    together = gateway + postgrest
    text = f"and the gateway may open {gateway}, PostgREST {postgrest}."
    if room.database != _UNLIMITED and room.database < together:
        yield warning(
            f"The database {sql_name(room.database_name)} may have {room.database} connections, {text}",
            f"Raise its connection limit to at least {together}, or {lower}.",
        )
    if room.server < together:
        yield warning(
            f"PostgreSQL allows {room.server} connections in all, {text}",
            f"Raise max_connections and restart the server, or {lower} or PGRST_DB_POOL.",
        )
