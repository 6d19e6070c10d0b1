"""Numbers of several processes: their sum, whichever is asked; what was told is never taken back."""

import os
import re
import struct
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.events import RelayAborted
from app.metrics import Meter, Numbers, SharedNumbers
from app.metrics.snapshots import Snapshot, decode

from .properties import tried


class Process:
    """One of several, as far as it counts."""

    def __init__(self, shared: SharedNumbers, worker_index: int, **gauges: float) -> None:
        self.numbers = Numbers()
        self.gauges = gauges
        self.meter = Meter(self.numbers, lambda: self.gauges, shared=shared, worker_index=worker_index)

    def relay(self, times: int = 1, seconds: float = 0.004) -> None:
        for _ in range(times):
            self.numbers.count_relayed("rest", b"GET", 200, seconds, seconds)

    def scrape(self, name: str) -> float:
        found = re.search(rf"^{name}(?:\{{[^}}]*\}})? (\S+)$", self.meter.exposition().decode(), re.MULTILINE)
        return float(found[1]) if found else 0.0


@pytest.fixture
def shared() -> Iterator[SharedNumbers]:
    shared = SharedNumbers(2)
    yield shared
    for file in shared._files:
        os.close(file.descriptor)


RELAYED = "gateway_requests_relayed_total"


def test_a_scrape_of_any_of_them_is_of_all(shared: SharedNumbers) -> None:
    one, two = (Process(shared, worker_index) for worker_index in (0, 1))
    one.relay(3)
    two.relay(4, seconds=0.04)
    two.meter.publish()
    assert one.scrape(RELAYED) == 7
    assert one.scrape("gateway_relay_duration_seconds_count") == 7
    assert one.scrape("gateway_relay_duration_seconds_sum") == pytest.approx(0.172)
    assert two.scrape(RELAYED) == 7


def test_each_gauge_is_taken_together_as_it_makes_sense(shared: SharedNumbers) -> None:
    one = Process(shared, 0, client_connections=2, sessions_revoked=5, revocations_connected=1)
    two = Process(shared, 1, client_connections=3, sessions_revoked=5, revocations_connected=0)
    two.meter.publish()
    told = [
        one.scrape(f"gateway_{name}")
        for name in ("client_connections", "sessions_revoked", "revocations_connected")
    ]
    assert told == [5, 5, 0]
    assert one.scrape("gateway_workers") == 2


def test_a_process_that_is_killed_takes_nothing_back_and_its_successor_goes_on(shared: SharedNumbers) -> None:
    one, two = (Process(shared, worker_index) for worker_index in (0, 1))
    two.relay(4)
    told = two.scrape(RELAYED)  # and two is killed here
    assert one.scrape(RELAYED) == told == 4
    successor = Process(shared, 1)
    assert one.scrape(RELAYED) == 4
    successor.relay(2)
    assert successor.scrape(RELAYED) == 6
    assert one.scrape(RELAYED) == 6
    assert one.scrape("gateway_worker_starts_total") == 3


def test_the_successor_of_a_successor_counts_nothing_twice(shared: SharedNumbers) -> None:
    for times in (1, 2, 3):
        process = Process(shared, 1)
        process.relay(times)
        process.meter.publish()
        process.meter.publish()
    assert Process(shared, 0).scrape(RELAYED) == 6


def test_gauges_of_one_that_is_gone_are_forgotten_and_its_counts_are_not(
    shared: SharedNumbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = (Process(shared, worker_index, client_connections=3) for worker_index in (0, 1))
    two.relay()
    two.meter.publish()
    assert one.scrape("gateway_client_connections") == 6
    monkeypatch.setattr("app.metrics.shared._STALE_SECONDS", -1.0)
    assert one.scrape("gateway_client_connections") == 0
    assert one.scrape(RELAYED) == 1


@pytest.mark.parametrize("cut", [0, 1, 8, 16, 20, 24, 30, 200])
@pytest.mark.parametrize("rounds", [0, 2])
def test_what_was_half_written_is_not_read(shared: SharedNumbers, cut: int, rounds: int) -> None:
    """A process may be killed in the middle of a write: what it wrote before counts."""
    process, descriptor = Process(shared, 0), shared._files[0].descriptor
    for _ in range(rounds):
        process.relay()
        process.meter.publish()
    half = (0, 16 << 20)[rounds % 2]
    remains = os.pread(descriptor, 4_096, half)
    for _ in range(2):
        process.relay()
        process.meter.publish()
    whole = os.pread(descriptor, 4_096, half)
    assert struct.unpack("<Q", whole[:8]) == (rounds + 2,)
    os.pwrite(descriptor, remains.ljust(len(whole), b"\0"), half)
    os.pwrite(descriptor, whole[:cut], half)
    assert Process(shared, 1).scrape(RELAYED) == rounds + 1


def test_a_worker_inherits_the_places_by_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """As `multiprocessing` hands them to a process that it spawns."""
    passed: list[int] = []

    class Passed:
        def __init__(self, descriptor: int) -> None:
            passed.append(descriptor)
            self.descriptor = descriptor

        def detach(self) -> int:
            return self.descriptor

    monkeypatch.setattr("app.metrics.shared.reduction.DupFd", Passed)
    shared = SharedNumbers(2)
    function, arguments = shared._files[0].__reduce__()
    assert function(*arguments).descriptor == passed[0] == shared._files[0].descriptor


labels = st.tuples(st.sampled_from(["rest", "rpc", 'a"b\\']), st.text(max_size=5))
numbers = st.dictionaries(labels, st.floats(0, 1e12), max_size=4)


@tried
@given(
    counters=st.dictionaries(st.sampled_from(["a", "b"]), numbers),
    gauges=st.dictionaries(st.just("g"), numbers),
)
def test_a_snapshot_is_read_as_it_was_written(
    counters: dict[str, dict[tuple[str, ...], float]], gauges: dict[str, dict[tuple[str, ...], float]]
) -> None:
    snapshot = Snapshot(counters, {"h": {("x",): ((1, 2, 3), 0.5)}}, gauges)
    assert decode(snapshot.encode()) == snapshot


def test_aborted_relays_are_no_relayed_ones(shared: SharedNumbers) -> None:
    process = Process(shared, 0)
    process.numbers.observe(RelayAborted(b"", "rest", "client gone"))
    assert (process.scrape("gateway_relays_aborted_total"), process.scrape(RELAYED)) == (1, 0)
