"""The line before the checks of passwords: a few at once, first come first served, and nobody for ever."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from app.auth.limits.checks import PasswordChecks
from app.errors import SignInBusy

pytestmark = pytest.mark.anyio

DEADLINE_SECONDS = 5.0


class Gone(Exception):
    """The client has left."""


async def stays() -> None:
    await asyncio.Event().wait()


class Visitor:
    """Somebody who wants a password checked, and stays until told to go."""

    def __init__(self, checks: PasswordChecks) -> None:
        self._leaves = asyncio.Event()
        self._ends = asyncio.Event()
        self.began = asyncio.Event()
        self.task = asyncio.create_task(self._visit(checks))

    async def _visit(self, checks: PasswordChecks) -> None:
        async with checks.slot(self._left):
            self.began.set()
            await self._ends.wait()

    async def _left(self) -> None:
        await self._leaves.wait()
        raise Gone

    async def end(self) -> None:
        self._ends.set()
        await self.task

    def leave(self) -> None:
        self._leaves.set()


def checks(*, at_once: int = 2, most_queued: int = 10, seconds: float = DEADLINE_SECONDS) -> PasswordChecks:
    return PasswordChecks(at_once=at_once, most_queued=most_queued, seconds=seconds)


@asynccontextmanager
async def visitors(line: PasswordChecks, count: int) -> AsyncIterator[list[Visitor]]:
    made = [Visitor(line) for _ in range(count)]
    await settle()
    with anyio.fail_after(DEADLINE_SECONDS):
        yield made
    for visitor in made:
        visitor.task.cancel()
    await asyncio.gather(*(visitor.task for visitor in made), return_exceptions=True)
    await settle()
    assert line.queued == 0
    assert line._free == 2, "no place may be lost, and none be made"


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def begun(made: list[Visitor]) -> list[int]:
    return [number for number, visitor in enumerate(made) if visitor.began.is_set()]


async def test_so_many_at_once_and_the_others_in_their_order() -> None:
    line = checks()
    async with visitors(line, 6) as made:
        assert (begun(made), line.queued) == ([0, 1], 4)
        await made[1].end()
        await settle()
        assert (begun(made), line.queued) == ([0, 1, 2], 3)
        late = Visitor(line)
        for number in (0, 2, 3, 4):
            await made[number].end()
            await settle()
        assert begun(made) == [0, 1, 2, 3, 4, 5]
        assert late.began.is_set()
        await made[5].end()
        await late.end()


async def test_who_leaves_the_line_makes_room_in_it() -> None:
    line = checks()
    async with visitors(line, 5) as made:
        made[2].leave()
        with pytest.raises(Gone):
            await made[2].task
        assert line.queued == 2
        await made[0].end()
        await settle()
        assert begun(made) == [0, 1, 3]


async def test_who_leaves_at_the_moment_of_their_turn_passes_it_on() -> None:
    line = checks()
    async with visitors(line, 4) as made:
        made[2].leave()
        made[0]._ends.set()
        with pytest.raises(Gone):
            await made[2].task
        await settle()
        assert begun(made) == [0, 1, 3]


async def test_who_is_cancelled_at_the_moment_of_their_turn_passes_it_on() -> None:
    line = checks()
    async with visitors(line, 4) as made:
        await made[0].end()
        made[2].task.cancel()
        await settle()
        assert begun(made) == [0, 1, 3]


async def test_nobody_waits_longer_than_the_deadline() -> None:
    line = checks(seconds=0.02)
    async with visitors(line, 4) as made:
        for number in (2, 3):
            with pytest.raises(SignInBusy):
                await made[number].task
        assert (begun(made), line.queued) == ([0, 1], 0)


async def test_a_line_that_is_full_is_said_to_be() -> None:
    line = checks(most_queued=3)
    async with visitors(line, 6) as made:
        with pytest.raises(SignInBusy):
            await made[5].task
        assert line.queued == 3


async def test_a_check_that_fails_makes_room_as_well() -> None:
    line = checks()
    for _ in range(5):
        with pytest.raises(ValueError, match="failed"):
            async with line.slot(stays):
                raise ValueError("failed")
    async with visitors(line, 2) as made:
        assert begun(made) == [0, 1]
