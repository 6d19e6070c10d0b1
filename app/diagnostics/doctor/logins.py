"""The logins of the settings, as the database sees them: name, clock and logging settings."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.database import connected, rolled_back
from app.diagnostics.check import server_log
from app.diagnostics.check.login import clock_ahead
from app.settings import Settings

_LOOK: Final = """
select current_user::pg_catalog.text as name,
       pg_catalog.current_setting('server_version_num')::integer as version,
       pg_catalog.current_database()::pg_catalog.text as database
"""


class Part(StrEnum):
    """The party that uses a login."""

    GATEWAY = "the gateway's login"
    OWNER = "the owner's login"
    POSTGREST = "PostgREST's login"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    part: Part
    name: str
    version: int  # 170010 is 17.10
    database: str
    ahead_seconds: float
    logging: Mapping[str, str]


def urls(settings: Settings) -> Iterator[tuple[Part, str]]:
    """The URLs that are set, the gateway's first."""
    for part, url in (
        (Part.GATEWAY, settings.database_url),
        (Part.OWNER, settings.owner_database_url),
        (Part.POSTGREST, settings.authenticator_database_url),
    ):
        if url is not None:
            yield part, url.get_secret_value()


async def look(part: Part, url: str) -> Login:
    """Raises DatabaseUnreachable."""
    async with connected(url) as connection, rolled_back(connection):
        row = await connection.fetchrow(_LOOK)
        assert row is not None  # noqa: S101 (a session has a login)
        return Login(
            **row,
            part=part,
            ahead_seconds=await clock_ahead(connection),
            logging=await server_log.look(connection),
        )
