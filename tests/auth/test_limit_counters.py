"""Counters in memory: fixed windows that end by themselves, and as many counters as there is room for."""

import subprocess
import sys

from app.auth.limits.counters import MOST, Counters

MEGABYTE = 1 << 20

# F32: a million names, each counted in two windows, as a sign-in counts it
FLOOD = """
import os
from app.auth.limits.counters import Counters
from app.auth.limits.keys import Digests

def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

digest, counters, before = Digests(b"secret"), Counters(), resident()
for name in range(1_000_000):
    key = digest(f"user{name}")
    for window, seconds in (("20/minute", 60), ("100/hour", 3600)):
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
    counters.forget("a")
    assert (counters.count("a"), counters.count("b")) == (0, 5)


def test_what_is_forgotten_is_forgotten_wherever_it_stood() -> None:
    counters = Counters(most=6)
    for key in ("a", "b", "c", "a"):
        counters.add(key, 60)
    counters.forget("a")
    assert [counters.count(key) for key in "abc"] == [0, 1, 1]


def test_one_count_can_be_taken_back_and_none_that_was_not_made() -> None:
    counters = Counters()
    counters.take_back("a")
    assert counters.add("a", 60) == 1
    assert counters.add("a", 60) == 2
    counters.take_back("a")
    assert counters.count("a") == 1


def test_what_is_counted_again_and_again_outlives_a_flood() -> None:
    counters = Counters(most=100)
    for number in range(1_000):
        counters.add(f"of the flood {number}", 60)
        if number % 40 == 0:
            counters.add("steady", 60)
        assert len(counters) <= 100
    assert counters.count("steady") == 25
    assert counters.count("of the flood 0") == 0


def test_a_million_names_take_no_more_memory_than_fits() -> None:
    """F32."""
    ran = subprocess.run([sys.executable, "-c", FLOOD], capture_output=True, text=True, check=True)
    assert int(ran.stdout) < 40 * MEGABYTE, f"for {MOST} counters"
