"""Connections and transactions for the gateway's statements: bounded in time, independent of what ran before.

It knows asyncpg and how it fails. What runs inside a transaction is handed in.

A called function may leave its session a search path, a role and temporary tables, and behind a pooler the
next transaction starts with them. Therefore each transaction begins by replacing them.
"""

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager, suppress
from typing import Final, TypeAlias, TypeVar

import anyio
import asyncpg

from app.auth.failures import (
    FAILURES,
    Again,
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

_GROUND: Final = "; ".join(
    (
        f"set local search_path to {GATEWAY_PATH}",
        "set local role none",
        *(f"set local {name} to {value}" for name, value in UNLOGGED),
        "discard temp",
    )
)

# asyncpg's own query names no schema, and keeps the role and temporary tables that a function left
_RESET: Final = """
reset session authorization; reset role; reset all;
close all; unlisten *; discard temp; discard sequences;
select pg_catalog.pg_advisory_unlock_all()
"""

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
    """One transaction of a call, said in full, so that no default of the server or the role changes it.

    Raises Refused, Again or an error of the gateway for what fails at its beginning and its end.
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
    """One transaction of the gateway's own, outside any call. Raises what asyncpg raises."""
    try:
        await _begin(connection, isolation=READ_COMMITTED, read_only=False)
        yield
        await connection.execute("commit")
    except BaseException:
        await _roll_back(connection)
        raise


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


async def converting(step: Awaitable[T]) -> T:
    """The result of a step that gives the arguments their types."""
    try:
        return await step
    except TimeoutError:
        raise
    except FAILURES as error:
        raise converting_failed(error) from None


async def reset_session(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """For the pool's `reset`: nothing that a function left for its session is there for the next call."""
    await connection.execute(_RESET)


async def _begin(connection: Connection, *, isolation: str, read_only: bool) -> None:
    level = isolation.lower()
    if level not in _LEVELS:
        raise InternalError(reason="an isolation level that is none")
    # Said only where it changes something: a standby refuses it, and runs functions that do not write
    access = " read only" if read_only else " read write" if _is_read_only(connection) else ""
    await connection.execute(f"begin isolation level {level}{access}; {_GROUND}")


async def _roll_back(connection: Connection) -> None:
    # Shielded: the transaction of a call that was cancelled must not wait for the next one
    with anyio.move_on_after(ROLLBACK_SECONDS, shield=True), suppress(*FAILURES):
        await connection.execute("rollback")


# Two settings that the server reports without being asked, since Postgres 14


def _is_read_only(connection: Connection) -> bool:
    return getattr(connection.get_settings(), "default_transaction_read_only", "off") == "on"


def _is_standby(connection: Connection) -> bool:
    return getattr(connection.get_settings(), "in_hot_standby", "off") == "on"
