"""One connection to the database for a command of the operator, and plain words for why there is none.

It knows no schema. No sentence of it holds a URL, a host, a password or what the server quoted.
"""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias

import asyncpg

from app.network import is_resolver_silent, words

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
        # Not a parameter of the connection, which poolers refuse. Any login may have put a function or an
        # operator into `public` that fits better than pg_catalog's, and it would run as the owner
        await connection.execute("set search_path to pg_catalog, pg_temp")
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        # The chain is cut: the text of a driver's error may hold the URL, and so the password
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
    """A read-only transaction: what is looked at in it stays as it is, whatever functions it calls.

    Its names mean the server's own objects. Set here too, and not only for the session: behind a pooler the
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
    """Why a connection was refused or lost, in words without a value."""
    if isinstance(error, asyncpg.PostgresError):
        return _BY_SQLSTATE.get(error.sqlstate or "", f"it refuses the connection ({error.sqlstate})")
    if isinstance(error, socket.gaierror):
        is_silent = error.errno == socket.EAI_AGAIN
        return "the resolver has no answer for its host name" if is_silent else "its host name is not known"
    if isinstance(error, TimeoutError):
        who = "the resolver does not answer" if is_resolver_silent(error) else "nothing answers"
        return f"{who} {within}"
    if isinstance(error, OSError):
        return words(error, "that address")
    if isinstance(error, ValueError):
        return "the URL is not one of a PostgreSQL database"
    return f"the driver fails ({type(error).__name__})"
