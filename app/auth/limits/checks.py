"""Password checks: a few in flight, the others queued, first in, first out.

A check uses a core of the database for about a third of a second. Without a bound, many sign-ins would take
all connections and all cores from the users who are signed in.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from app.errors import SignInBusy

Disconnected = Callable[[], Awaitable[object]]  # raises when the client has disconnected


class PasswordChecks:
    """The slots and the queue of one process."""

    def __init__(self, *, at_once: int, most_queued: int, seconds: float) -> None:
        self._free = at_once
        self._most_queued = most_queued
        self._seconds = seconds
        self._queue: deque[asyncio.Future[None]] = deque()

    def adopt(self, most_queued: int, seconds: float) -> None:
        """Change the bounds of the queue: its length, and the longest wait in seconds."""
        self._most_queued, self._seconds = most_queued, seconds

    @property
    def queued(self) -> int:
        """The number of queued checks."""
        return len(self._queue)

    @asynccontextmanager
    async def slot(self, disconnected: Disconnected) -> AsyncIterator[None]:
        """Wait for a slot, and hold it. Raises SignInBusy, and what `disconnected` raises."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._enqueue(disconnected)
        try:
            yield
        finally:
            self._release()

    async def _enqueue(self, disconnected: Disconnected) -> None:
        if len(self._queue) >= self._most_queued:
            raise SignInBusy(reason="the queue of password checks is full")
        waiter = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        gone = asyncio.ensure_future(disconnected())
        try:
            await asyncio.wait({waiter, gone}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                gone.result()
        except BaseException:
            self._leave(waiter)
            raise
        finally:
            gone.cancel()
        if not waiter.done():
            self._leave(waiter)
            raise SignInBusy(reason="no slot for the password check in time")

    def _leave(self, waiter: asyncio.Future[None]) -> None:
        if waiter.done():  # it got its slot at the same moment
            self._release()
        else:
            self._queue.remove(waiter)

    def _release(self) -> None:
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self._free += 1
