"""The states of a client's connection: one table has each change, and the tests' gateway knows no other."""

from itertools import chain

import pytest
from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.gateway import TransitionUnknown
from harness.relay.lane import Lane

from app.proxy.client.states import CLOSED, HEAD, IDLE, LINGERING, TRANSITIONS, State


def test_each_state_is_reached_and_left() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(chain.from_iterable(TRANSITIONS.values())) == set(State)
    assert [state for state, following in TRANSITIONS.items() if not following] == [CLOSED]


def test_no_change_keeps_a_connection_from_its_end() -> None:
    assert all(CLOSED in following for state, following in TRANSITIONS.items() if state is not CLOSED)


def test_what_is_not_in_the_table_is_an_error(lane: Lane) -> None:
    assert lane.client().ask("GET", "/rest/items", token=None).status == 401
    (connection,) = lane.gateway.connections
    wait_until(lambda: connection.state is IDLE, "the connection to be idle")
    with pytest.raises(TransitionUnknown, match=r"IDLE.*LINGERING"):
        connection.state = LINGERING
    assert connection.state is IDLE


def test_a_defect_in_the_states_fails_the_test_that_met_it(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(TRANSITIONS, IDLE, TRANSITIONS[IDLE] - {HEAD})
    client = lane.client()
    client.send(request("GET", "/rest/items", ["X-Unknown: to the head cache"]))
    client.wait_end()
    with pytest.raises(AssertionError):
        lane.finish()
    lane.gateway.events.clear()
