"""The connection that listens for revocations."""

from collections.abc import Callable, Mapping

import asyncpg

from app.auth.listener import Connection, RevocationListener
from app.auth.queries import GATEWAY_PATH
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions
from app.events import Observer
from app.settings import Settings


def revocation_listener(
    settings: Settings,
    revocations: Revocations,
    emit: Observer,
    wakes: Mapping[str, Callable[[], None]],
    admissions: Admissions | None = None,
) -> RevocationListener:
    """The listener, on a separate connection: connections of the pool do not listen."""

    async def connect() -> Connection:
        url = settings.listen_database_url or settings.database_url
        connection: Connection = await asyncpg.connect(
            url.get_secret_value(),
            timeout=settings.database_seconds,
            command_timeout=settings.database_seconds,
            server_settings={"application_name": "postgate-listener"},
        )
        try:
            # By a statement, since poolers reject the parameter at connection start
            await connection.execute(f"set search_path to {GATEWAY_PATH}")
        except BaseException:
            connection.terminate()
            raise
        return connection

    schema = settings.auth_schema
    return RevocationListener(connect, revocations, emit, schema=schema, wakes=wakes, admissions=admissions)
