"""Failures for the audit table: what a function that raises writes itself is rolled back.

A note never delays or changes an answer. Notes wait in a short line, one is written at a time, and what
cannot be written is dropped. A database without the function, as with functions of one's own, is left alone.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from typing import Final, NamedTuple, TypeAlias

import asyncpg

from app.auth.context import quote_name

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"  # generic in its stubs alone

_MOST: Final = 200
_LONGEST: Final = 1_000  # characters of a text
_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 60.0  # until a function that was not there is looked for again
_NOT_THERE: Final = (
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
)
_FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)  # TimeoutError is an OSError


class _Note(NamedTuple):
    kind: str
    username: str
    address: str
    user_agent: str


class FailureNotes:
    """Writes notes, as the gateway's own login."""

    def __init__(self, pool: Pool, *, schema: str) -> None:
        self._pool = pool
        self._write = f"select {quote_name(schema)}.note_failure($1, $2, $3, $4)"
        self._notes: deque[_Note] = deque()
        self._task: asyncio.Task[None] | None = None
        self._silent_until = 0.0

    def add(self, kind: str, *, username: str, address: str, user_agent: str) -> None:
        """Have it written, if there is room."""
        if len(self._notes) >= _MOST or time.monotonic() < self._silent_until:
            return
        self._notes.append(_Note(kind, _text(username), _text(address), _text(user_agent)))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Write what is left, for a moment."""
        if self._task is not None:
            with suppress(TimeoutError):
                async with asyncio.timeout(2 * _SECONDS):
                    await self._task

    async def _work(self) -> None:
        while self._notes:
            note = self._notes.popleft()
            try:
                async with (
                    asyncio.timeout(_SECONDS),
                    self._pool.acquire() as connection,
                    connection.transaction(),  # for poolers: the statement is prepared and run in one
                ):
                    await connection.execute(self._write, *note)
            except _NOT_THERE:
                self._silent_until = time.monotonic() + _PAUSE_SECONDS
                self._notes.clear()
            except _FAILURES:
                self._notes.clear()


def _text(value: str) -> str:
    """As Postgres can hold it."""
    return value[:_LONGEST].replace("\0", "").encode(errors="replace").decode()
