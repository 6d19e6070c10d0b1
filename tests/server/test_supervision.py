"""When workers are started again, for any order of starts, successes and deaths."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.server.supervision import FAILED_STARTS, Supervision

INDEX = 0
DELAYS = [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0]


def start(supervision: Supervision, now: float) -> None:
    assert supervision.due(now) == [INDEX]
    supervision.started(INDEX)


def test_a_worker_that_never_comes_up_is_given_up_after_five_starts() -> None:
    supervision, now, delays = Supervision(1), 0.0, []
    while not supervision.is_over:
        start(supervision, now)
        delay = supervision.exited(INDEX, now)
        delays.append(delay)
        now += delay or 0
    assert delays == [0.5, 1.0, 2.0, 4.0, None]
    assert supervision.given_up == INDEX
    assert supervision.due(now + 1_000) == []


def test_one_that_came_up_is_started_for_ever_with_growing_delays() -> None:
    supervision, now, delays = Supervision(1), 0.0, []
    for _ in DELAYS:
        start(supervision, now)
        supervision.became_ready(INDEX, now)
        delays.append(supervision.exited(INDEX, now))
        now += delays[-1] or 0
    assert delays == DELAYS
    for _ in range(3 * FAILED_STARTS):  # and when none of the later ones comes up
        start(supervision, now)
        delay = supervision.exited(INDEX, now)
        assert delay == DELAYS[-1]
        now += delay
    assert supervision.given_up is None


@pytest.mark.parametrize(("healthy", "delay"), [(9.9, 2.0), (10.0, 0.5)])
def test_health_resets_the_delay_and_slow_starts_are_no_health(healthy: float, delay: float) -> None:
    supervision, now = Supervision(1), 0.0
    for _ in range(2):
        start(supervision, now)
        now += supervision.exited(INDEX, now) or 0
    start(supervision, now)
    now += 60  # its start is slow
    supervision.became_ready(INDEX, now)
    assert supervision.exited(INDEX, now + healthy) == delay


def test_the_time_a_start_takes_is_no_sign_of_anything() -> None:
    supervision, now = Supervision(1), 0.0
    for number in range(FAILED_STARTS):
        start(supervision, now)
        now += 60
        delay = supervision.exited(INDEX, now)
        assert (delay is None) == (number == FAILED_STARTS - 1)
        now += delay or 0
    assert supervision.given_up == INDEX


ACTIONS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["up", "end", "stop", "wait"]), st.floats(0, 15)),
    max_size=60,
)


@given(ACTIONS)
def test_any_history_keeps_one_process_for_each_worker(actions: list[tuple[int, str, float]]) -> None:
    supervision, now, running = Supervision(3), 0.0, set[int]()
    stopped = False
    for index, action, seconds in actions:
        now += seconds
        due = supervision.due(now)
        assert not running & set(due)
        assert not (stopped and due)
        for each in due:
            supervision.started(each)
            running.add(each)
        wait = supervision.wait_seconds(now)
        assert wait is None or 0 <= wait <= DELAYS[-1]
        assert stopped or running or wait is not None
        if action == "stop":
            supervision.stop()
            stopped = True
        elif index in running and action == "up":
            supervision.became_ready(index, now)
        elif index in running and action == "end":
            running.discard(index)
            delay = supervision.exited(index, now)
            stopped = stopped or supervision.given_up is not None
            assert (delay is None) == stopped
    supervision.stop()
    for index in running:
        assert not supervision.is_over
        assert supervision.exited(index, now) is None
    assert supervision.is_over
