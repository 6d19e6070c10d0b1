"""Counters in memory: fixed windows that end by themselves, and as many counters as there is room for."""

import subprocess
import sys
import time

from core.properties import tried
from hypothesis import given
from hypothesis import strategies as st

from app.auth.limits.counters import MOST, Counters

MEGABYTE = 1 << 20

# Four times as many counters as fit: each name is counted in two windows, as a sign-in counts it
FLOOD = """
import os
from app.auth.limits.counters import MOST, Counters
from app.auth.limits.keys import Digests

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

digest, counters, before = Digests(b"secret"), Counters(), resident()
for name in range(2 * MOST):
    key = digest(f"user{name}")
    for window, seconds in (("20/1/minute", 60), ("100/1/hour", 3600)):
        counters.add(f"LIMITER/login/account/{key}/{window}", seconds)
print(resident() - before)
"""


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_a_window_begins_with_the_first_count_and_ends_by_itself() -> None:
    clock = Clock()
    counters = Counters(clock=clock)
    assert [counters.add("a", 60) for _ in range(3)] == [1, 2, 3]
    clock.now += 59
    assert counters.add("a", 60) == 4
    assert counters.seconds_left("a") == 1
    clock.now += 1
    assert counters.count("a") == 0
    assert counters.seconds_left("a") == 0
    assert counters.add("a", 60) == 1
    assert counters.seconds_left("a") == 60


def test_keys_are_counted_apart_and_forgotten_apart() -> None:
    counters = Counters()
    counters.add("a", 60)
    counters.add("b", 60, 5)
    counters.clear("a")
    assert (counters.count("a"), counters.count("b")) == (0, 5)


def test_what_is_forgotten_is_forgotten_wherever_it_stood() -> None:
    counters = Counters(most=6)
    for key in ("a", "b", "c", "a"):
        counters.add(key, 60)
    counters.clear("a")
    assert [counters.count(key) for key in "abc"] == [0, 1, 1]


def test_one_count_can_be_taken_back_and_none_that_was_not_made() -> None:
    counters = Counters()
    counters.undo("a")
    assert counters.add("a", 60) == 1
    assert counters.add("a", 60) == 2
    counters.undo("a")
    assert counters.count("a") == 1


def test_a_flood_of_names_takes_no_more_memory_than_fits() -> None:
    """F32."""
    ran = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 40 * MEGABYTE, f"for {MOST} counters"


def limit_key(digest: int | str, limit: str = "5/1/minute", scope: str = "pair") -> str:
    """A key as the library makes it."""
    return f"LIMITER/login/{scope}/{digest if isinstance(digest, str) else f'{digest:032x}'}/{limit}"


def test_a_flood_of_other_names_takes_nothing_back_from_a_victim() -> None:
    """What is counted stays counted until its window ends, however many strangers are counted meanwhile."""
    clock = Clock()
    counters = Counters(most=100, clock=clock)
    victim = limit_key("f" * 32)
    assert [counters.add(victim, 60) for _ in range(5)] == [1, 2, 3, 4, 5]
    for number in range(10_000):
        counters.add(limit_key(number), 60)
        assert len(counters) <= 100
    assert counters.count(victim) == 5
    clock.now += 60
    assert counters.count(victim) == 0


def test_who_comes_when_all_places_are_taken_is_counted_as_well() -> None:
    counters = Counters(most=100)
    for number in range(100):
        counters.add(limit_key(number), 60)
    newcomer = limit_key("f" * 32)
    assert [counters.add(newcomer, 60) for _ in range(5)] == [1, 2, 3, 4, 5]
    assert counters.count(newcomer) == 5
    assert 0 < counters.seconds_left(newcomer) <= 60


@tried
@given(
    st.lists(st.tuples(st.integers(0, 12), st.sampled_from([0.0, 0.5, 7.0, 20.0])), max_size=150),
    st.integers(1, 6),
    st.integers(1, 4),
)
def test_no_key_gets_more_than_its_limit_in_a_window(
    calls: list[tuple[int, float]], most: int, cells: int
) -> None:
    """Twice, at most, across the end of a window that it shares: another key's count began it."""
    clock = Clock()
    counters = Counters(most=most, cells=cells, clock=clock)
    admitted: dict[int, list[float]] = {}
    for name, passes in calls:
        clock.now += passes
        assert len(counters) <= most
        if counters.add(limit_key(name, "3/1/minute"), 60) <= 3:
            admitted.setdefault(name, []).append(clock.now)
    for times in admitted.values():
        assert max(sum(began <= time < began + 60 for time in times) for began in times) <= 6


def test_counters_that_are_over_make_room() -> None:
    clock = Clock()
    counters = Counters(most=100, clock=clock)
    for number in range(100):
        counters.add(limit_key(number), 60)
        counters.add(limit_key(number, "20/1/hour"), 3_600)
    clock.now += 60
    counters.add(limit_key("f" * 32), 60)
    assert len(counters) <= 100
    assert counters.count(limit_key("f" * 32)) == 1
    assert counters.count(limit_key(0)) == 0


def test_cells_are_of_one_limit() -> None:
    """Sixty sign-ins from one address are no reason to refuse a pair, which has five."""
    counters = Counters(most=1, cells=1)
    counters.add(limit_key(0), 60)
    for _ in range(60):
        counters.add(limit_key(1, "60/1/minute", "address"), 60)
    assert counters.add(limit_key(2), 60) == 1
    assert counters.add(limit_key(3, "60/1/minute", "address"), 60) == 61


def test_a_success_takes_no_more_than_its_own_count_from_a_shared_cell() -> None:
    counters = Counters(most=1, cells=1)
    counters.add(limit_key(0), 60)
    for _ in range(4):
        counters.add(limit_key(1), 60)
    for _ in range(10):
        counters.add(limit_key(2), 60)
        counters.clear(limit_key(2))
    assert counters.count(limit_key(1)) == 4


def test_a_key_that_shares_a_cell_goes_on_to_when_there_is_room_again() -> None:
    clock = Clock()
    counters = Counters(most=2, cells=1, clock=clock)
    counters.add(limit_key(0, "9/1/second"), 1)
    counters.add(limit_key(1), 60)
    assert counters.add(limit_key(2), 60) == 1
    clock.now += 1
    assert counters.add(limit_key(2), 60) == 2, "its first count is in the cell"


def test_without_cells_what_finds_no_place_is_not_counted() -> None:
    counters = Counters(most=1, cells=0)
    assert counters.add("a", 60) == 1
    assert (counters.add("b", 60), counters.count("b"), len(counters)) == (0, 0, 1)


def test_keys_of_any_form_share_bounded_memory() -> None:
    counters = Counters(most=1)
    for number in range(1_000):
        counters.add(f"{'x/' * (number % 9)}{number}", 60)
    assert len(counters._shared) <= 1


def test_a_million_counts_take_time_that_does_not_grow() -> None:
    counters, began = Counters(most=1_000, clock=iter(range(10**9)).__next__), time.process_time()
    for number in range(50_000):
        counters.add(str(number), 500)
    assert time.process_time() - began < 5, "each addition looks at what is over, and at no more"
