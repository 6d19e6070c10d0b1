"""Requests to stop: the first drains, the second forces, signals that come together are one."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from app.server.stopping import Step, StopRequests

TIMES = st.lists(st.floats(0, 100), max_size=20).map(sorted)
TOGETHER = 0.02


@given(TIMES)
def test_any_sequence_drains_once_then_forces_at_most_once(times: list[float]) -> None:
    requests = StopRequests()
    steps = [requests.request(time) for time in times]
    done = [step for step in steps if step is not Step.NONE]
    assert done == [Step.DRAIN, Step.FORCE][: len(done)]
    assert steps[:1] == [Step.DRAIN][: len(times)]
    later = [time for time in times if time - times[0] >= TOGETHER]
    assert (Step.FORCE in steps) == bool(later)
    if later:
        assert times[steps.index(Step.FORCE)] == later[0]


@given(TIMES)
def test_a_worker_drains_once_however_often_it_is_signalled(times: list[float]) -> None:
    requests = StopRequests(counts=False)
    assert [requests.request(time) for time in times] == [Step.DRAIN, *[Step.NONE] * len(times)][: len(times)]


@given(st.lists(st.tuples(st.sampled_from(["ask", "force"]), st.floats(0, 100)), max_size=20), st.booleans())
def test_a_forced_stop_is_final(calls: list[tuple[str, float]], counts: bool) -> None:  # noqa: FBT001
    requests = StopRequests(counts=counts)
    states = []
    for call, time in sorted(calls, key=lambda each: each[1]):
        step = requests.request(time) if call == "ask" else requests.force(time)
        assert step is not Step.FORCE or requests.is_forced
        states.append((requests.is_stopping, requests.is_forced))
    assert all(before <= after for before, after in pairwise(states))
    assert all(is_stopping for is_stopping, _ in states)
