"""Budgets that several gateways share, in a real Valkey or Redis, and what holds while it is away."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from app.auth.limits.budgets import Attempt, BudgetExhausted, Budgets, read_windows
from app.auth.limits.counters import Counters, MemoryStorage
from app.auth.limits.stores import SharedStorage
from app.events import Event, LimitStoreLost, LimitStoreRestored

from .store import StoreServer, store_server
from .test_limit_counters import Clock

pytestmark = pytest.mark.anyio

SECRET = "hunter2"


class Gateway:
    """One process's view of the budgets."""

    def __init__(self, url: str) -> None:
        self.clock = Clock()
        self.events: list[Event] = []
        self.storage = SharedStorage(url, MemoryStorage(Counters()), self.events.append, clock=self.clock)
        self.budgets = Budgets(self.storage, close=self.storage.close)

    async def attempts(self, count: int, windows: str = "5/minute,20/hour", key: str = "a") -> list[int]:
        """For each try, how long it is refused for; 0 if it may be made."""
        return [await self._try(windows, key) for _ in range(count)]

    async def _try(self, windows: str, key: str) -> int:
        try:
            attempt = Attempt("login", "pair", key, read_windows(windows), is_cleared=True)
            await self.budgets.consume([attempt])
        except BudgetExhausted as exhausted:
            return exhausted.seconds
        return 0


@pytest.fixture
def server() -> Iterator[StoreServer]:
    with store_server() as server:
        yield server


@asynccontextmanager
async def gateways(url: str, count: int = 1) -> AsyncIterator[list[Gateway]]:
    made = [Gateway(url) for _ in range(count)]
    try:
        yield made
    finally:
        for gateway in made:
            await gateway.budgets.close()


async def until_let_in(gateway: Gateway) -> None:
    """What was refused is remembered for a second."""
    async with asyncio.timeout(5):
        while await gateway.attempts(1) != [0]:  # noqa: ASYNC110 (no event tells of it)
            await asyncio.sleep(0.02)


async def test_two_gateways_have_one_budget_together(server: StoreServer) -> None:
    async with gateways(server.url, 2) as (one, other):
        assert await one.attempts(3) == [0, 0, 0]
        assert await other.attempts(2) == [0, 0]
        for gateway in (one, other):
            (seconds,) = await gateway.attempts(1)
            assert 59 <= seconds <= 61
        assert not one.events + other.events


async def test_a_thousand_tries_at_once_are_a_thousand_tries(server: StoreServer) -> None:
    async with gateways(server.url, 2) as (one, other):
        waits = await asyncio.gather(*(gateway.attempts(1) for gateway in (one, other) for _ in range(500)))
        assert waits.count([0]) == 5
        assert not one.events + other.events
        assert server.ask("CLIENT", "LIST").count(b"lib-name=") <= 2 * 8 + 1, "each has few connections"


async def test_a_flood_that_is_refused_is_not_passed_on_to_the_store(server: StoreServer) -> None:
    def commands() -> int:
        found = re.search(rb"total_commands_processed:(\d+)", server.ask("INFO", "stats"))
        assert found is not None
        return int(found[1])

    async with gateways(server.url) as (gateway,):
        await gateway.attempts(6)
        before = commands()
        waits = await gateway.attempts(1_000)
        assert commands() - before < 200
        assert {59 <= seconds <= 61 for seconds in waits} == {True}
        assert await gateway.attempts(1, key="b") == [0]


async def test_a_budget_that_is_cleared_is_cleared_for_all(server: StoreServer) -> None:
    async with gateways(server.url, 2) as (one, other):
        assert (await one.attempts(6))[-1] > 0
        windows = read_windows("5/minute,20/hour")
        await other.budgets.clear([Attempt("login", "pair", "a", windows, is_cleared=True)])
        await until_let_in(one)


async def test_who_comes_back_when_told_to_is_let_in(server: StoreServer) -> None:
    async with gateways(server.url) as (gateway,):
        waits = await gateway.attempts(3, "2/second")
        assert waits[:2] == [0, 0]
        assert waits[2] in {1, 2}
        await asyncio.sleep(waits[2])
        assert await gateway.attempts(1, "2/second") == [0]


async def test_every_counter_in_the_store_ends_by_itself(server: StoreServer) -> None:
    async with gateways(server.url) as (gateway,):
        await gateway.attempts(9)
    keys = server.keys()
    assert len(keys) == 2
    for key in keys:
        assert int(server.ask("TTL", key).split(b"\r\n")[0][1:]) > 0


async def test_while_the_store_is_away_each_counts_for_itself_and_says_so_once(server: StoreServer) -> None:
    async with gateways(server.url) as (gateway,):
        await gateway.attempts(1)
        server.stop()
        assert [wait > 0 for wait in await gateway.attempts(8)] == [False] * 5 + [True] * 3
        gateway.clock.now += 10
        assert [wait > 0 for wait in await gateway.attempts(2)] == [True] * 2
        assert gateway.events == [LimitStoreLost("nothing listens at its address")]
        server.start()
        assert [wait > 0 for wait in await gateway.attempts(1)] == [True], "it is not asked again at once"
        gateway.clock.now += 10
        assert await gateway.attempts(5, key="b") == [0] * 5
        assert (await gateway.attempts(1))[0] > 0, "what was counted meanwhile still counts"
        assert gateway.events == [LimitStoreLost("nothing listens at its address"), LimitStoreRestored()]


async def test_a_store_that_restarts_between_two_tries_is_not_away(server: StoreServer) -> None:
    async with gateways(server.url) as (gateway,):
        await gateway.attempts(1)
        server.stop()
        server.start()
        await gateway.attempts(1)
        assert not gateway.events


async def test_a_store_that_hangs_delays_the_first_tries_and_no_more(server: StoreServer) -> None:
    async with gateways(server.url) as (gateway,):
        await gateway.attempts(1)
        server.pause()
        async with asyncio.timeout(5):
            waits = await asyncio.gather(*(gateway.attempts(1) for _ in range(100)))
        assert waits.count([0]) == 5
        assert [type(event) for event in gateway.events] == [LimitStoreLost]


async def test_a_store_whose_memory_is_full_forgets_nothing_and_each_counts_on_for_itself(
    server: StoreServer,
) -> None:
    async with gateways(server.url, 2) as (one, other):
        await one.attempts(4)
        server.ask("CONFIG", "SET", "maxmemory", "1")
        assert [wait > 0 for wait in await one.attempts(6, key="new")] == [False] * 5 + [True]
        for gateway in (one, other):
            waits = [wait > 0 for wait in await gateway.attempts(2)]
            assert waits == [False, True], "one more, by the counter of its own"
            gateway.clock.now += 10
            assert [wait > 0 for wait in await gateway.attempts(1)] == [True]
            assert gateway.events == [LimitStoreLost("its memory is full")]
        server.ask("CONFIG", "SET", "maxmemory", "0")
        one.clock.now += 10
        assert await one.attempts(1, key="b") == [0]
        assert one.events == [LimitStoreLost("its memory is full"), LimitStoreRestored()]


@pytest.mark.parametrize(
    "url",
    [
        f"redis://:{SECRET}@127.0.0.1:1/0",
        f"rediss://user:{SECRET}@127.0.0.1:1",
        f"unix:///nowhere/{SECRET}.sock?password={SECRET}",
    ],
)
async def test_a_store_that_was_never_there_stops_nothing_and_its_url_stays_secret(url: str) -> None:
    async with gateways(url) as (gateway,):
        assert [wait > 0 for wait in await gateway.attempts(6)] == [False] * 5 + [True]
        (lost,) = gateway.events
        assert isinstance(lost, LimitStoreLost)
        assert SECRET not in lost.reason


async def test_a_password_of_the_store_is_used(server: StoreServer) -> None:
    server.ask("CONFIG", "SET", "requirepass", SECRET)
    async with gateways(f"{server.url}?password={SECRET}", 2) as (one, other):
        await one.attempts(5)
        assert (await other.attempts(1))[0] > 0
        assert not one.events + other.events
    async with gateways(server.url) as (stranger,):
        await stranger.attempts(1)
        assert [type(event) for event in stranger.events] == [LimitStoreLost]
