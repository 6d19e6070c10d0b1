"""A database connection for a command of the operator, and error texts for failed ones.

No error contains a URL, a host, a password or a text of the server.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

import asyncpg

from app.network import is_resolver_silent, words

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic only in its stubs

CONNECT_SECONDS: Final = 5
COMMAND_SECONDS: Final = 30

_BY_SQLSTATE: Final = {
    "28000": "it rejects this user",
    "28P01": "it does not accept the user or the password",
    "3D000": "it has no database of that name",
    "42501": "the user may not connect to this database",
    "53300": "it has no free connection",
    "57P03": "it is starting or stopping",
}


class DatabaseUnreachable(Exception):
    """The connection failed; the text is the reason."""


@asynccontextmanager
async def connected(
    url: str, *, name: str = "postgate", command_seconds: float | None = COMMAND_SECONDS
) -> AsyncIterator[Connection]:
    """A connection, closed at the end. Raises DatabaseUnreachable, also if it is lost within the block."""
    try:
        connection: Connection = await asyncpg.connect(
            url,
            timeout=CONNECT_SECONDS,
            command_timeout=command_seconds,
            server_settings={"application_name": name},
        )
        # A statement, because poolers reject it as a connection parameter. Without it, a function or operator
        # of another login in `public` could match better than pg_catalog's and run as the owner
        # (CVE-2018-1058)
        await connection.execute("set search_path to pg_catalog, pg_temp")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        # `from None`: the driver's error may contain the URL with the password
        raise DatabaseUnreachable(reason(error, f"within {CONNECT_SECONDS} s")) from None
    try:
        yield connection
    except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
        raise DatabaseUnreachable("the connection was lost") from None
    finally:
        with suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
            await connection.close(timeout=CONNECT_SECONDS)


@asynccontextmanager
async def rolled_back(connection: Connection) -> AsyncIterator[None]:
    """A read-only transaction that is rolled back: called functions cannot change data.

    Sets the search_path to the server's own objects, here and not only for the session: behind a pooler, the
    transaction may run on another connection.
    """
    transaction = connection.transaction(readonly=True)
    await transaction.start()
    try:
        await connection.execute("set local search_path to pg_catalog, pg_temp")
        yield
    finally:
        await transaction.rollback()


def reason(error: Exception, within: str = "in time") -> str:
    """Why a connection was rejected or lost, without values."""
    if isinstance(error, asyncpg.PostgresError):
        return _BY_SQLSTATE.get(error.sqlstate or "", f"it rejects the connection ({error.sqlstate})")
    if isinstance(error, socket.gaierror):
        is_silent = error.errno == socket.EAI_AGAIN
        return "the resolver has no response for its host name" if is_silent else "its host name is unknown"
    if isinstance(error, TimeoutError):
        who = "the resolver does not respond" if is_resolver_silent(error) else "nothing responds"
        return f"{who} {within}"
    if isinstance(error, OSError):
        return words(error, "that address")
    if isinstance(error, ValueError):
        return "the URL is not a PostgreSQL URL"
    return f"the driver fails ({type(error).__name__})"
