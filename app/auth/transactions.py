"""Connections and transactions for the gateway's statements: bounded in time, independent of earlier ones.

This module handles asyncpg and its errors; the caller brings the statements.

A called function may leave a search path, a role and temporary tables in the database session. Behind a
pooler the next transaction would start with them, so each transaction replaces them first.
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias, TypeVar

import anyio
import asyncpg

from app.auth.failures import (
    FAILURES,
    Retryable,
    calling_failed,
    connecting_failed,
    converting_failed,
    preparing_failed,
)
from app.auth.queries import GATEWAY_PATH, UNLOGGED, Connection
from app.errors import DatabaseBusy, DatabaseUnavailable, InternalError

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"  # generic in its stubs alone

ROLLBACK_SECONDS: Final = 5
READ_COMMITTED: Final = "read committed"
_LEVELS: Final = frozenset({READ_COMMITTED, "read uncommitted", "repeatable read", "serializable"})

_BASELINE: Final = "; ".join(
    (
        f"set local search_path to {GATEWAY_PATH}",
        "set local role none",
        *(f"set local {name} to {value}" for name, value in UNLOGGED),
        "discard temp",
    )
)

# asyncpg's own reset names no schema, and keeps the role and temporary tables of a function
_RESET: Final = """
reset session authorization; reset role; reset all;
close all; unlisten *; discard temp; discard sequences;
select pg_catalog.pg_advisory_unlock_all()
"""

T = TypeVar("T")


@asynccontextmanager
async def acquired(pool: Pool, *, seconds: float) -> AsyncIterator[Connection]:
    """A connection of the pool. Raises DatabaseUnavailable or DatabaseBusy without one in `seconds`."""
    try:
        connection = await pool.acquire(timeout=seconds)
    except TimeoutError:
        if pool.get_size() - pool.get_idle_size() < pool.get_max_size():
            raise DatabaseUnavailable(reason="connecting: no response") from None
        raise DatabaseBusy(reason="every connection of the pool is in use") from None
    except FAILURES as error:
        raise connecting_failed(error) from None
    try:
        yield connection
    finally:
        # An error here must not replace the response; asyncpg discards an unusable connection
        with suppress(*FAILURES):
            await pool.release(connection, timeout=seconds)


@asynccontextmanager
async def transaction(connection: Connection, *, isolation: str, read_only: bool) -> AsyncIterator[None]:
    """One transaction of a call, with explicit modes, so that no default of the server or the role applies.

    Raises Rejected, Retryable or a GatewayError if its begin or commit fails.
    """
    try:
        await preparing(_begin(connection, isolation=isolation, read_only=read_only))
        yield
    except BaseException:
        await _roll_back(connection)
        raise
    await calling(connection, connection.execute("commit"))


@asynccontextmanager
async def own_transaction(connection: Connection) -> AsyncIterator[None]:
    """One transaction of the gateway itself, outside any call. Raises what asyncpg raises."""
    try:
        await _begin(connection, isolation=READ_COMMITTED, read_only=False)
        yield
        await connection.execute("commit")
    except BaseException:
        await _roll_back(connection)
        raise


async def preparing(step: Awaitable[T]) -> T:
    """The result of a step before the call. Raises what `preparing_failed` returns."""
    try:
        return await step
    except TimeoutError:
        raise
    except FAILURES as error:
        raise preparing_failed(error) from None  # without the cause: its text may contain values


async def calling(connection: Connection, step: Awaitable[T]) -> T:
    """The result of the call itself. Raises what `calling_failed` returns."""
    try:
        return await step
    except TimeoutError:
        raise
    except FAILURES as error:
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError) and _is_standby(connection):
            # After a failover the address may resolve to the new primary
            raise Retryable(DatabaseUnavailable(reason="the server is a read-only standby")) from None
        raise calling_failed(error) from None


async def converting(step: Awaitable[T]) -> T:
    """The result of the conversion of the arguments. Raises what `converting_failed` returns."""
    try:
        return await step
    except TimeoutError:
        raise
    except FAILURES as error:
        raise converting_failed(error) from None


async def reset_session(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """The pool's `reset`: removes everything that a function left in the database session."""
    await connection.execute(_RESET)


async def _begin(connection: Connection, *, isolation: str, read_only: bool) -> None:
    level = isolation.lower()
    if level not in _LEVELS:
        raise InternalError(reason="unknown isolation level")
    # `read write` only where it is not the default: a standby rejects it, but runs functions that only read
    access = " read only" if read_only else " read write" if _is_read_only(connection) else ""
    await connection.execute(f"begin isolation level {level}{access}; {_BASELINE}")


async def _roll_back(connection: Connection) -> None:
    # Shielded: a cancelled call must not leave its transaction open on the connection
    with anyio.move_on_after(ROLLBACK_SECONDS, shield=True), suppress(*FAILURES):
        await connection.execute("rollback")


# The server reports these two settings without a query, since Postgres 14


def _is_read_only(connection: Connection) -> bool:
    return getattr(connection.get_settings(), "default_transaction_read_only", "off") == "on"


def _is_standby(connection: Connection) -> bool:
    return getattr(connection.get_settings(), "in_hot_standby", "off") == "on"
