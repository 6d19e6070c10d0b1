"""Clients that leave: the upstream is let go at once, and half a request never becomes a whole one."""

from collections.abc import Callable

import pytest
from harness.relay.client import CHUNKED, Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK
from harness.relay.wire import Wire

from app.events import RelayAborted, RequestRelayed

LEAVE = pytest.mark.parametrize("leave", [Wire.close, Wire.reset], ids=["close", "reset"])
Leave = Callable[[Client], None]


def gone(lane: Lane) -> bool:
    return not lane.gateway.gateway.connections


@LEAVE
def test_before_its_head_is_whole(lane: Lane, leave: Leave) -> None:
    client = lane.client()
    client.send(request("GET", "/rest/items")[:-10])
    wait_until(lambda: lane.gateway.gateway.connections, "the client to be accepted")
    leave(client)
    wait_until(lambda: gone(lane), "the client to be forgotten")
    assert lane.upstream.nobody_knocks


@LEAVE
def test_before_the_answer_begins(lane: Lane, leave: Leave) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    leave(client)
    assert upstream.ends_silently()
    assert lane.gateway.wait_event(RelayAborted).reason == "client gone"
    assert not lane.gateway.events_of(RequestRelayed)


@LEAVE
@pytest.mark.parametrize("framing", ["Content-Length: 1000000", "Transfer-Encoding: chunked", "X-None: 1"])
def test_in_the_middle_of_the_answer(lane: Lane, leave: Leave, framing: str) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n5\r\nfirst\r\n".encode())
    client.answering().body_of(5)
    leave(client)
    try:
        while upstream.is_quiet:
            upstream.send(b"5\r\nagain\r\n")
    except OSError:
        pass
    wait_until(lambda: lane.gateway.is_quiet, "both connections to be gone")
    assert lane.gateway.wait_event(RelayAborted).route == "rest"


@LEAVE
@pytest.mark.parametrize(
    ("framing", "part"),
    [("Content-Length: 10", b"abc"), (CHUNKED, b"3\r\nabc\r\n"), (CHUNKED, b"3\r\nabc\r\n0\r\n")],
    ids=["sized", "chunked", "before the last line"],
)
def test_in_the_middle_of_the_upload(lane: Lane, leave: Leave, framing: str, part: bytes) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [framing]) + part)
    head = upstream.head()
    assert (upstream.chunk() if head.is_chunked else upstream.take(3)) == b"abc"
    leave(client)
    assert upstream.ends_silently()
    assert lane.gateway.wait_event(RelayAborted).reason == "client gone"


def test_an_upload_that_only_half_closed_is_cut_as_well(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + b"3\r\nabc\r\n")
    upstream.head()
    upstream.chunk()
    client.half_close()
    assert upstream.ends_silently()


@LEAVE
def test_in_the_middle_of_the_upload_with_the_answer_begun(lane: Lane, leave: Leave) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 10"]) + b"abc")
    upstream.head()
    upstream.take(3)
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc")
    client.answering().body_of(3)
    leave(client)
    assert upstream.ends_silently()


def test_while_it_waits_for_a_connection(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    first, upstream = lane.relaying(request("GET", "/rest/first"))
    upstream.request()
    waiting = lane.client()
    waiting.send(request("DELETE", "/rest/waiting"))
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 1, "the second request to queue")
    waiting.reset()
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 0, "the client to be gone from the queue")
    upstream.send(OK)
    first.answer()
    first.send(request("GET", "/rest/third"))
    assert upstream.request().head.target == b"/third"


def test_fifty_broken_downloads_leave_nothing_behind(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=4)
    for _ in range(50):
        client, upstream = lane.relaying()
        upstream.request()
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n" + b"x" * 65_536)
        client.answering().body_of(1)
        client.reset()
        upstream.wait_end()
    wait_until(lambda: lane.gateway.is_quiet, "every connection to be gone")
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(OK)
    assert client.answer().status == 200
