"""Connections and transactions for calls: lent, bounded in time, and given back clean.

It knows asyncpg and how it fails. What runs inside a transaction is handed in.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, Final, TypeAlias

import anyio
import asyncpg

from app.auth.failures import NO_CONNECTION, Again, calling_failed, connecting_failed, preparing_failed
from app.auth.signatures import Connection
from app.errors import DatabaseBusy, DatabaseUnavailable

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"  # generic in its stubs alone

ROLLBACK_SECONDS: Final = 5

_FAILURES: Final = (asyncpg.PostgresError, *NO_CONNECTION)


@asynccontextmanager
async def lent(pool: Pool, *, seconds: float) -> AsyncIterator[Connection]:
    """A connection of the pool. Raises DatabaseUnavailable or DatabaseBusy if there is none in time."""
    try:
        connection = await pool.acquire(timeout=seconds)
    except TimeoutError:
        if pool.get_size() - pool.get_idle_size() < pool.get_max_size():
            raise DatabaseUnavailable(reason="connecting: no answer") from None
        raise DatabaseBusy(reason="every connection of the pool is in use") from None
    except _FAILURES as error:
        raise connecting_failed(error) from None
    try:
        yield connection
    finally:
        # Whether it can be lent again is asyncpg's to find out: by now the answer is made
        with suppress(*_FAILURES):
            await pool.release(connection, timeout=seconds)


@asynccontextmanager
async def transaction(connection: Connection, *, isolation: str, read_only: bool) -> AsyncIterator[None]:
    """One transaction, said in full, so that no default of the server or the role changes it."""
    level: Any = isolation.replace(" ", "_")
    block = connection.transaction(isolation=level, readonly=read_only)
    with preparing():
        await block.start()
    try:
        if not read_only and _setting(connection, "default_transaction_read_only") == "on":
            with preparing():
                await connection.execute("set transaction read write")
        yield
    except BaseException:
        # Shielded: the transaction of a call that was cancelled must not wait for the next one
        with anyio.move_on_after(ROLLBACK_SECONDS, shield=True), suppress(*_FAILURES):
            await block.rollback()
        raise
    with calling(connection):
        await block.commit()


@contextmanager
def preparing() -> Iterator[None]:
    """What fails in here fails before the function was called."""
    try:
        yield
    except TimeoutError:
        raise
    except _FAILURES as error:
        raise preparing_failed(error) from None  # cut off: its text may hold values


@contextmanager
def calling(connection: Connection) -> Iterator[None]:
    """What fails in here is the function's failure, or the database's under it."""
    try:
        yield
    except TimeoutError:
        raise
    except asyncpg.ReadOnlySQLTransactionError as error:
        if _setting(connection, "in_hot_standby") == "on":
            # After a failover the address may lead to the primary by now
            raise Again(DatabaseUnavailable(reason="the server is a read-only standby")) from None
        raise calling_failed(error) from None
    except _FAILURES as error:
        raise calling_failed(error) from None


async def reset_session(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """For the pool's `reset`: asyncpg's own leaves behind a role that SQL set for the session."""
    await connection.execute("reset role;" + connection.get_reset_query())


def _setting(connection: Connection, name: str) -> object:
    """A setting that the server reports by itself: these two since Postgres 14."""
    return getattr(connection.get_settings(), name, None)
