"""Connections and transactions for calls: lent, bounded in time, and given back clean.

It knows asyncpg and how it fails. What runs inside a transaction is handed in.
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final, TypeAlias, TypeVar

import anyio
import asyncpg

from app.auth.failures import FAILURES, Again, calling_failed, connecting_failed, preparing_failed
from app.auth.signatures import Connection
from app.errors import DatabaseBusy, DatabaseUnavailable

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"  # generic in its stubs alone

ROLLBACK_SECONDS: Final = 5

T = TypeVar("T")


@asynccontextmanager
async def lent(pool: Pool, *, seconds: float) -> AsyncIterator[Connection]:
    """A connection of the pool. Raises DatabaseUnavailable or DatabaseBusy if there is none in time."""
    try:
        connection = await pool.acquire(timeout=seconds)
    except TimeoutError:
        if pool.get_size() - pool.get_idle_size() < pool.get_max_size():
            raise DatabaseUnavailable(reason="connecting: no answer") from None
        raise DatabaseBusy(reason="every connection of the pool is in use") from None
    except FAILURES as error:
        raise connecting_failed(error) from None
    try:
        yield connection
    finally:
        # Whether it can be lent again is asyncpg's to find out: by now the answer is made
        with suppress(*FAILURES):
            await pool.release(connection, timeout=seconds)


@asynccontextmanager
async def transaction(connection: Connection, *, isolation: str, read_only: bool) -> AsyncIterator[None]:
    """One transaction, said in full, so that no default of the server or the role changes it."""
    level: Any = isolation.lower().replace(" ", "_")
    block = connection.transaction(isolation=level, readonly=read_only)
    await preparing(block.start())
    try:
        if not read_only and _is_read_only(connection):
            await preparing(connection.execute("set transaction read write"))
        yield
    except BaseException:
        # Shielded: the transaction of a call that was cancelled must not wait for the next one
        with anyio.move_on_after(ROLLBACK_SECONDS, shield=True), suppress(*FAILURES):
            await block.rollback()
        raise
    await calling(connection, block.commit())


async def preparing(step: Awaitable[T]) -> T:
    """The result of a step before the function is called."""
    try:
        return await step
    except TimeoutError:
        raise
    except FAILURES as error:
        raise preparing_failed(error) from None  # cut off: its text may hold values


async def calling(connection: Connection, step: Awaitable[T]) -> T:
    """The result of a step whose failure is the function's, or the database's under it."""
    try:
        return await step
    except TimeoutError:
        raise
    except FAILURES as error:
        if isinstance(error, asyncpg.ReadOnlySQLTransactionError) and _is_standby(connection):
            # After a failover the address may lead to the primary by now
            raise Again(DatabaseUnavailable(reason="the server is a read-only standby")) from None
        raise calling_failed(error) from None


async def reset_session(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """For the pool's `reset`: asyncpg's own leaves behind a role that SQL set for the session."""
    await connection.execute("reset role;" + connection.get_reset_query())


# Two settings that the server reports without being asked, since Postgres 14


def _is_read_only(connection: Connection) -> bool:
    return getattr(connection.get_settings(), "default_transaction_read_only", "off") == "on"


def _is_standby(connection: Connection) -> bool:
    return getattr(connection.get_settings(), "in_hot_standby", "off") == "on"
