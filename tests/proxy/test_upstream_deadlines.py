"""What an upstream may take of time, and that what is only slow is left alone."""

import select
import time

import pytest
from harness.relay.answers import AnswerCut
from harness.relay.checks import check_refused_soon
from harness.relay.client import request
from harness.relay.fixtures import LaneWith
from harness.relay.pace import drip
from harness.relay.upstream import OK, Upstream, answer
from harness.relay.wire import Wire

from app.events import RelayAborted

SHORT = 0.2
SOON = 2.0


def test_no_answer_is_504_and_a_late_one_reaches_nobody(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_first_byte_seconds=SHORT)
    client, upstream = lane.relaying()
    upstream.request()
    check_refused_soon(lane, client, 504, "GW302")
    upstream.wait_end()
    client.send(request("GET", "/rest/next"))
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.send(answer(b"own"))
    assert client.answer().body == b"own"


def test_half_a_head_is_504(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_first_byte_seconds=SHORT)
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nX-A: ")
    check_refused_soon(lane, client, 504, "GW302")


def test_interim_answers_do_not_put_the_deadline_off(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_first_byte_seconds=SHORT)
    client, upstream = lane.relaying()
    upstream.request()
    assert not drip(upstream, b"HTTP/1.1 102 Processing\r\n\r\n" * 15, seconds=SOON, seen=client)
    assert client.answer().status == 504


@pytest.mark.parametrize(
    "part",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        answer(b"abc", sized=False),
    ],
    ids=["sized", "chunked", "until close"],
)
def test_an_answer_that_stalls_is_cut(lane_with: LaneWith, part: bytes) -> None:
    lane = lane_with(upstream_stall_seconds=SHORT)
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(part)
    with pytest.raises(AnswerCut) as cut:
        client.answer()
    assert cut.value.body == b"abc"
    upstream.wait_end()
    assert lane.gateway.wait_event(RelayAborted).reason == "response stalled"


def test_an_answer_that_is_slow_but_steady_arrives(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_stall_seconds=0.4, upstream_first_byte_seconds=0.4, write_stall_seconds=0.4)
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
    reader = client.answering()
    reader.head()
    assert drip(upstream, b"0123456789", seconds=1.0, seen=upstream)
    assert reader.whole().body == b"0123456789"


def test_a_slow_reader_is_not_taken_for_a_stalled_upstream(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_stall_seconds=SHORT, upstream_first_byte_seconds=SHORT)
    client = lane.client(receive_buffer=4096)
    _, upstream = lane.relaying(client=client)
    upstream.request()
    upstream.sock.setblocking(False)  # noqa: FBT003
    body = b"x" * 1_000_000
    data = memoryview(answer(body))
    reader = client.answering()
    deadline = time.monotonic() + 3 * SHORT
    while data or time.monotonic() < deadline:
        if data and select.select([], [upstream.sock], [], 0.01)[1]:
            data = data[upstream.sock.send(data) :]
        if time.monotonic() > deadline:
            reader.body_of(len(body) - len(data))
    assert reader.whole().body == body


def test_a_dial_that_hangs_is_502(lane_with: LaneWith) -> None:
    """A listener whose backlog is full takes no more connections: the dial gets no answer."""
    upstream = Upstream(backlog=0)
    with Wire(upstream.dial()):
        lane = lane_with(upstream=upstream, upstream_connect_seconds=SHORT)
        client = lane.client()
        client.send(request("GET", "/rest/items"))
        check_refused_soon(lane, client, 502, "GW300")


def test_an_idle_upstream_connection_is_let_go(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_idle_seconds=SHORT)
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(OK)
    client.answer()
    assert upstream.ends_silently()
    client.send(request("GET", "/rest/items"))
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.send(OK)
    assert client.answer().status == 200
