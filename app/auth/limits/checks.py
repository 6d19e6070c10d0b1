"""Checks of passwords: a few at once, the others in a line, first come, first served.

A check costs a core of the database's machine for a third of a second. Unbounded, a storm of sign-ins would
take every connection of the pool and every core from those who are signed in.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from app.errors import SignInBusy

Left = Callable[[], Awaitable[object]]  # ends, by raising, when the client is gone


class PasswordChecks:
    """The line before the checks of one process."""

    def __init__(self, *, at_once: int, most_queued: int, seconds: float) -> None:
        self._free = at_once
        self._most_queued = most_queued
        self._seconds = seconds
        self._line: deque[asyncio.Future[None]] = deque()

    def adopt(self, most_queued: int, seconds: float) -> None:
        """Bound the line otherwise from now on."""
        self._most_queued, self._seconds = most_queued, seconds

    @property
    def queued(self) -> int:
        return len(self._line)

    @asynccontextmanager
    async def turn(self, left: Left) -> AsyncIterator[None]:
        """Wait for a turn, and have it. Raises SignInBusy, and what `left` raises."""
        if self._free > 0:
            self._free -= 1
        else:
            await self._wait(left)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, left: Left) -> None:
        if len(self._line) >= self._most_queued:
            raise SignInBusy(reason="the line of password checks is full")
        place = asyncio.get_running_loop().create_future()
        self._line.append(place)
        leaving = asyncio.ensure_future(left())
        try:
            await asyncio.wait({place, leaving}, timeout=self._seconds, return_when=asyncio.FIRST_COMPLETED)
            if leaving.done():
                leaving.result()
        except BaseException:
            self._give_up(place)
            raise
        finally:
            leaving.cancel()
        if not place.done():
            self._give_up(place)
            raise SignInBusy(reason="the line of password checks moves too slowly")

    def _give_up(self, place: asyncio.Future[None]) -> None:
        if place.done():  # the turn came at the same moment
            self._pass_on()
        else:
            self._line.remove(place)

    def _pass_on(self) -> None:
        if self._line:
            self._line.popleft().set_result(None)
        else:
            self._free += 1
