"""Write failures to the audit table. A function that raises cannot: its own writes are rolled back.

Writing never delays or changes a response. Failures are queued (`queued_failures`), and written by one
statement at a time, which is repeated while the database is unavailable. Lost failures are counted, and
emitted as an event. A database without `note_failure()` is skipped for a minute.
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
_FIRST_PAUSE: Final = 0.5  # until the next attempt; doubles
_LONGEST_PAUSE: Final = 15.0
_ABSENT_SECONDS: Final = 60.0  # until a missing function is called again
_ABSENT: Final = (
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
)
_FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)  # TimeoutError is an OSError
# Classes of SQLSTATE after which the same statement may succeed later
_TRANSIENT: Final = ("28", "3D", "40", "53", "55", "57")


class FailureRecords:
    """Writes failures, as the gateway's login."""

    def __init__(self, pool: Pool, *, schema: str, observe: Observer) -> None:
        self._pool = pool
        parameters = ", ".join(f"${position}::pg_catalog.text" for position in range(1, 5))
        self._statement = (
            f"select {quote_name(schema)}.note_failure({parameters})"  # noqa: S608  quoted
            " from pg_catalog.generate_series(1, $5::pg_catalog.int4)"
        )
        self._observe = observe
        self._queued = QueuedFailures()
        self._task: asyncio.Task[None] | None = None
        self._closing = asyncio.Event()
        self._absent_until = 0.0

    def add(self, kind: str, *, username: str, address: str, user_agent: str) -> None:
        """Queue a failure, and start the writer."""
        if time.monotonic() < self._absent_until:
            return
        self._queued.add(failure_of(kind, username=username, address=address, user_agent=user_agent))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Write the queue, for at most 4 s; count the rest as lost."""
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
            except _ABSENT:
                self._absent_until = time.monotonic() + _ABSENT_SECONDS
                self._queued.clear()
            except _FAILURES as error:
                if not _is_transient(error):
                    self._queued.lost += number
                    continue
                self._queued.add(failure, number)
                if self._closing.is_set():
                    return
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._closing.wait(), pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            except BaseException:
                self._queued.add(failure, number)  # cancelled: it may not have been written
                raise
            else:
                pause = _FIRST_PAUSE
                self._report()

    async def _write(self, failure: Failure, number: int) -> None:
        async with (
            asyncio.timeout(_SECONDS),
            self._pool.acquire() as connection,
            own_transaction(connection),  # behind a pooler, prepare and execute need one transaction
        ):
            await fetch(connection, self._statement, *failure, number)

    def _report(self) -> None:
        lost, self._queued.lost = self._queued.lost, 0
        if lost:
            self._observe(AuditRecordsLost(lost))


def _is_transient(error: Exception) -> bool:
    state = getattr(error, "sqlstate", None) or ""
    return is_lost(error) or state.startswith(_TRANSIENT)
