"""Budgets of tries: several windows each, counted before the call, so that the wait grows."""

import asyncio

import pytest
from limits.aio.storage import Storage

from app.auth.limits.budgets import Attempt, BudgetExhausted, Budgets, read_windows
from app.auth.limits.counters import Counters, MemoryStorage

from .test_limit_counters import Clock

pytestmark = pytest.mark.anyio

WINDOWS = "5/minute,20/hour,50/day"


def pair(key: str = "a", windows: str = WINDOWS) -> Attempt:
    return Attempt("login", "pair", key, read_windows(windows), is_cleared=True)


def account(key: str, windows: str = "20/minute,100/hour") -> Attempt:
    return Attempt("login", "account", key, read_windows(windows), is_cleared=True)


async def tried(budgets: Budgets, *attempts: Attempt) -> tuple[str, int] | None:
    """What refuses the call, and for how long; None if it may be made."""
    try:
        await budgets.consume(attempts)
    except BudgetExhausted as exhausted:
        return exhausted.exhausted.scope, exhausted.seconds
    return None


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def storage(clock: Clock) -> Storage:
    return MemoryStorage(Counters(clock=clock))


@pytest.fixture
def budgets(storage: Storage) -> Budgets:
    return Budgets(storage)


async def test_the_wait_grows_and_ends_by_itself(budgets: Budgets, clock: Clock) -> None:
    """F29."""
    waits = []
    passed = 0
    while passed < 60:
        refused = await tried(budgets, pair())
        if refused is None:
            passed += 1
        else:
            scope, seconds = refused
            assert scope == "pair"
            waits.append(seconds)
            clock.now += seconds
    assert passed == 60
    minutes = [wait for wait in waits if wait <= 61]
    hours = [wait for wait in waits if 61 < wait <= 3_601]
    days = [wait for wait in waits if 3_601 < wait <= 86_401]
    assert (len(minutes), len(hours), len(days)) == (8, 2, 1)


async def test_who_comes_back_when_told_to_is_let_in(budgets: Budgets, clock: Clock) -> None:
    for _ in range(5):
        assert await tried(budgets, pair()) is None
        clock.now += 3
    refused = await tried(budgets, pair())
    assert refused == ("pair", 46)  # 45 and what a store may round off
    clock.now += refused[1] - 2
    assert await tried(budgets, pair()) is not None
    clock.now += 2
    assert await tried(budgets, pair()) is None


async def test_the_wait_is_the_longest_of_all_full_windows(budgets: Budgets, clock: Clock) -> None:
    """Or a client would come back to be refused by the next window, and the next."""
    for _ in range(4):
        for _ in range(5):
            assert await tried(budgets, pair()) is None
        clock.now += 61
    for _ in range(3):
        refused = await tried(budgets, pair())
        assert refused is not None
        assert 3_300 < refused[1] < 3_600


async def test_a_window_with_room_left_is_not_waited_for(budgets: Budgets) -> None:
    refused = [await tried(budgets, pair(windows="5/minute,6/hour")) for _ in range(6)]
    assert refused == [None] * 5 + [("pair", 61)]


async def test_what_one_budget_refuses_is_not_spent_of_the_others(budgets: Budgets) -> None:
    full = account("victim", "1/hour")
    assert await tried(budgets, full) is None
    for _ in range(10):
        assert await tried(budgets, pair(), full) == ("account", 3_601)
    assert [await tried(budgets, pair()) for _ in range(5)] == [None] * 5


async def test_hammering_on_a_locked_door_does_not_lock_it_longer(budgets: Budgets, clock: Clock) -> None:
    for _ in range(1_000):
        await tried(budgets, pair())
    clock.now += 61
    assert [await tried(budgets, pair()) for _ in range(5)] == [None] * 5


async def test_one_address_cannot_spend_the_whole_budget_of_an_account(budgets: Budgets) -> None:
    for _ in range(1_000):
        await tried(budgets, pair("attacker"), account("victim"))
    assert await tried(budgets, pair("victim's own"), account("victim")) is None


async def test_many_addresses_together_can_for_a_while(budgets: Budgets, clock: Clock) -> None:
    refused = [await tried(budgets, pair(f"address {n}"), account("victim")) for n in range(30)]
    assert refused[:20] == [None] * 20
    assert {refusal[0] for refusal in refused[20:] if refusal} == {"account"}
    assert None not in refused[20:]
    clock.now += 61
    assert await tried(budgets, pair("address 30"), account("victim")) is None


async def test_a_thousand_tries_at_once_are_a_thousand_tries(budgets: Budgets) -> None:
    outcomes = await asyncio.gather(*(tried(budgets, pair()) for _ in range(1_000)))
    assert outcomes.count(None) == 5


async def test_a_success_clears_what_it_speaks_for_and_no_more(budgets: Budgets) -> None:
    address = Attempt("login", "address", "a", read_windows("8/minute"))
    attempts = (address, pair(), account("b"))
    for _ in range(5):
        assert await tried(budgets, *attempts) is None
    await budgets.clear(attempts)
    for _ in range(3):
        assert await tried(budgets, *attempts) is None
    refused = await tried(budgets, *attempts)
    assert refused is not None
    assert refused[0] == "address"


async def test_kinds_scopes_and_keys_are_counted_apart(budgets: Budgets) -> None:
    windows = read_windows("1/minute")
    attempts = [
        Attempt(kind, scope, key, windows)
        for kind in ("login", "change")
        for scope in ("address", "account")
        for key in ("a", "b")
    ]
    assert [await tried(budgets, each) for each in attempts] == [None] * 8
    assert None not in [await tried(budgets, each) for each in attempts]


async def test_a_limit_that_is_off_refuses_nobody(budgets: Budgets) -> None:
    assert read_windows("off") == ()
    assert [await tried(budgets, pair(windows="off")) for _ in range(200)] == [None] * 200


def test_windows_are_asked_from_the_shortest_on() -> None:
    assert [window.get_expiry() for window in read_windows("50/day,5/minute,20/hour")] == [60, 3_600, 86_400]
