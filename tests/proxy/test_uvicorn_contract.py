"""What the relay relies on in uvicorn, by name: an upgrade that changes it fails here and nowhere else."""

import asyncio
import inspect

import pytest
import uvicorn
from harness.relay.lane import Lane
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from app.proxy.cycle import Cycle

PROTOCOL_METHODS = {
    "connection_made": ["transport"],
    "connection_lost": ["exc"],
    "data_received": ["data"],
    "eof_received": [],
    "pause_writing": [],
    "resume_writing": [],
    "shutdown": [],
    "on_message_begin": [],
    "on_url": ["url"],
    "on_header": ["name", "value"],
    "on_headers_complete": [],
    "on_body": ["body"],
    "on_message_complete": [],
    "on_response_complete": [],
    "_start_asgi_task": ["cycle", "app"],
}
PROTOCOL_ATTRIBUTES = {
    "parser", "transport", "flow", "client", "scheme", "pipeline", "headers", "cycle", "server_state",
    "connections", "expect_100_continue", "scope", "loop",
}  # fmt: skip
# What uvicorn's protocol touches of the object that stands for a request: ours must have all of it.
CYCLE_ATTRIBUTES = {"disconnected", "keep_alive", "message_event", "more_body", "response_complete"}


def test_the_version_is_the_one_that_was_read() -> None:
    assert uvicorn.__version__.startswith("0.54.")


@pytest.mark.parametrize(("name", "parameters"), PROTOCOL_METHODS.items())
def test_the_protocol_has_this_method(name: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(HttpToolsProtocol, name)).parameters)[1:] == parameters


def test_the_protocol_has_these_attributes() -> None:
    config = uvicorn.Config(lambda *_: None, lifespan="off", log_config=None)
    protocol = HttpToolsProtocol(config, ServerState(), {}, _loop=asyncio.new_event_loop())
    assert set(vars(protocol)) | {"url"} >= PROTOCOL_ATTRIBUTES
    protocol.loop.close()


def test_the_protocol_touches_no_more_of_a_cycle_than_ours_has() -> None:
    """`body` is touched in on_body only, which ours overrides."""
    source = inspect.getsource(HttpToolsProtocol)
    touched = {
        word.partition("self.cycle.")[2].split("(")[0].split(".")[0].rstrip(":,)")
        for word in source.replace("existing_cycle.", "self.cycle.").split()
        if "self.cycle." in word
    }
    assert touched <= CYCLE_ATTRIBUTES | {"body"}


def test_our_cycle_has_these_attributes(lane: Lane) -> None:
    lane.relaying()[1].request()
    (connection,) = lane.gateway.connections
    assert isinstance(connection.current, Cycle)
    assert connection.current is connection.cycle
    for name in CYCLE_ATTRIBUTES:
        assert hasattr(connection.cycle, name)


def test_uvicorns_cycle_has_these_attributes() -> None:
    source = inspect.getsource(RequestResponseCycle.__init__)
    for name in CYCLE_ATTRIBUTES:
        assert f"self.{name} = " in source


def test_flow_control_tells_whether_reading_is_paused() -> None:
    assert {"pause_reading", "resume_reading", "pause_writing", "resume_writing"} <= set(vars(FlowControl))
    assert "self.read_paused" in inspect.getsource(FlowControl.__init__)
