"""What a fault is injected into: a lane of one's own making, and the list of the faults by case."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from harness.relay.answers import Answer, AnswerCut
from harness.relay.client import Client, request
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK, UpstreamEnd


@dataclass
class Stage:
    """What one fault may use."""

    lane: Lane  # with the cases' own settings, shared
    lane_with: LaneWith  # with other settings
    patch: pytest.MonkeyPatch
    fixture: Callable[[str], Any]  # by its name, for the few faults that need servers

    def answered(self, said: bytes, data: bytes | None = None) -> Answer:
        """The client's answer when the upstream says this."""
        client, upstream = self.lane.relaying(data)
        upstream.request()
        upstream.send(said)
        return client.answer()

    def begun(self, said: bytes) -> tuple[Client, UpstreamEnd]:
        """A client that has seen the first body byte of an answer that goes on."""
        client, upstream = self.lane.relaying()
        upstream.request()
        upstream.send(said)
        return client, upstream

    def check_goes_on(self, lane: Lane | None = None) -> None:
        """Somebody else is served, on a connection that nothing of the fault is left on."""
        lane = lane or self.lane
        client = lane.client()
        client.send(request("POST", "/rest/goes-on"))
        end = lane.upstream.accept()
        assert end.request().head.target == b"/goes-on"
        end.send(OK)
        assert client.answer().status == 200


Fault = Callable[[Stage], None]
FAULTS: dict[str, Fault] = {}


def fault(case: str) -> Callable[[Fault], Fault]:
    """Play this function for a case."""

    def register(function: Fault) -> Fault:
        assert case not in FAULTS
        FAULTS[case] = function
        return function

    return register


@contextmanager
def hung_up() -> Iterator[None]:
    """What is sent to somebody who has hung up is lost, and that is fine."""
    with suppress(BrokenPipeError, ConnectionResetError):
        yield


def check_own_answer(got: Answer, status: int) -> None:
    assert got.status == status
    assert json.loads(got.body).keys() == {"code", "message", "details", "hint"}


def check_cut(client: Client) -> None:
    with pytest.raises(AnswerCut) as cut:
        client.answer()
    assert cut.value.body == b"abc"
