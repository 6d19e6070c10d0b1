"""One connection to the database for a command of the operator, and plain words for why there is none.

It knows no schema. No sentence of it holds a URL, a host, a password or what the server quoted.
"""

import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic in its stubs alone

CONNECT_SECONDS: Final = 5
COMMAND_SECONDS: Final = 30

_BY_SQLSTATE: Final = {
    "28000": "it does not let this user in",
    "28P01": "it does not accept the user or the password",
    "3D000": "it has no database of that name",
    "42501": "the user may not connect to this database",
    "53300": "it has no connection left",
    "57P03": "it is starting or stopping",
}
_BY_KIND: Final = {  # the first that fits: the last is the family of the others
    TimeoutError: f"nothing answers within {CONNECT_SECONDS} s",
    socket.gaierror: "its host name is not known",
    ssl.SSLError: "no TLS connection can be made",
    ConnectionRefusedError: "nothing listens at that address",
    FileNotFoundError: "nothing listens at that address",
    PermissionError: "this user may not use its socket",
    OSError: "the connection failed",
}


class DatabaseUnreachable(Exception):
    """There is no connection; the text says why."""


@asynccontextmanager
async def connected(
    url: str, *, name: str = "postgate", command_seconds: float | None = COMMAND_SECONDS
) -> AsyncIterator[Connection]:
    """A connection, closed at the end. Raises DatabaseUnreachable, also when it is lost on the way."""
    try:
        connection: Connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=command_seconds,
            server_settings={"application_name": name},
        )
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        # The chain is cut: the text of a driver's error may hold the URL, and so the password
        raise DatabaseUnreachable(reason(error)) from None
    try:
        yield connection
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
        raise DatabaseUnreachable("the connection was lost") from None
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.close(timeout=CONNECT_SECONDS)


@asynccontextmanager
async def rolled_back(connection: Connection) -> AsyncIterator[None]:
    """A read-only transaction: what is looked at in it stays as it is, whatever functions it calls."""
    transaction = connection.transaction(readonly=True)
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


def reason(error: Exception) -> str:
    """Why a connection was refused, in words without a value."""
    if isinstance(error, asyncpg.PostgresError):
        return _BY_SQLSTATE.get(error.sqlstate or "", f"it refuses the connection ({error.sqlstate})")
    for kind, words in _BY_KIND.items():
        if isinstance(error, kind):
            return words
    return "the URL is not one of a PostgreSQL database"
