"""Failures for the audit table: what a function that raises writes itself is rolled back.

A note never delays or changes a response. Notes wait in a bounded store in which a flood takes little room
(`waiting`), one statement at a time writes them, and it is repeated while the database is away. What is lost
in the end is counted and reported. A database without the function, as with functions of one's own, is left
alone.
"""

import asyncio
import time
from contextlib import suppress
from typing import Final

import asyncpg

from app.auth.context import quote_name
from app.auth.failures import is_lost
from app.auth.limits.queued_failures import Failure, QueuedFailures, failure_of
from app.auth.queries import fetch
from app.auth.transactions import Pool, own_transaction
from app.events import AuditRecordsLost, Observer

_MOST_ROWS: Final = 100  # of one statement
_SECONDS: Final = 2.0
_FIRST_PAUSE: Final = 0.5  # until the database is tried again, doubling
_LONGEST_PAUSE: Final = 15.0
_SILENT_SECONDS: Final = 60.0  # until a function that was not there is looked for again
_NOT_THERE: Final = (
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
)
_FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)  # TimeoutError is an OSError
# Classes of SQLSTATE: the same statement may do later, when the server or the login is in order again
_PASSING: Final = ("28", "3D", "40", "53", "55", "57")


class FailureRecords:
    """Writes notes, as the gateway's own login."""

    def __init__(self, pool: Pool, *, schema: str, observe: Observer) -> None:
        self._pool = pool
        given = ", ".join(f"${position}::pg_catalog.text" for position in range(1, 5))
        self._statement = (
            f"select {quote_name(schema)}.note_failure({given})"  # noqa: S608  quoted
            " from pg_catalog.generate_series(1, $5::pg_catalog.int4)"
        )
        self._observe = observe
        self._queued = QueuedFailures()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._silent_until = 0.0

    def add(self, kind: str, *, username: str, address: str, user_agent: str) -> None:
        """Have it written."""
        if time.monotonic() < self._silent_until:
            return
        self._queued.add(failure_of(kind, username=username, address=address, user_agent=user_agent))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Write what is left, for a moment."""
        if self._task is None:
            return
        self._closing.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(2 * _SECONDS):
                await self._task
        self._closing.clear()
        self._queued.lose_all()
        self._report()

    async def _work(self) -> None:
        pause = _FIRST_PAUSE
        while self._queued:
            failure, number = self._queued.take(_MOST_ROWS)
            try:
                await self._write(failure, number)
            except _NOT_THERE:
                self._silent_until = time.monotonic() + _SILENT_SECONDS
                self._queued.clear()
            except _FAILURES as error:
                if not _passes(error):
                    self._queued.lost += number
                    continue
                self._queued.add(failure, number)
                if self._closing.is_set():
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except BaseException:
                self._queued.add(failure, number)  # cut off at the end: it is not known to be written
                raise
            else:
                pause = _FIRST_PAUSE
                self._report()

    async def _write(self, failure: Failure, number: int) -> None:
        async with (
            asyncio.timeout(_SECONDS),
            self._pool.acquire() as connection,
            own_transaction(connection),  # for poolers too: the statement is prepared and run in one
        ):
            await fetch(connection, self._statement, *failure, number)

    def _report(self) -> None:
        lost, self._queued.lost = self._queued.lost, 0
        if lost:
            self._observe(AuditRecordsLost(lost))


def _passes(error: Exception) -> bool:
    state = getattr(error, "sqlstate", None) or ""
    return is_lost(error) or state.startswith(_PASSING)
