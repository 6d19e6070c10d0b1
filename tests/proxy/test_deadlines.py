"""Everything that may take too long, ended in time; and what is only slow, left alone."""

import select
import time

import pytest

from app.events import RelayAborted, RequestRefused
from proxy.conftest import LaneWith
from proxy.harness.answers import AnswerCut
from proxy.harness.client import CHUNKED, Client, request
from proxy.harness.deadlines import wait_until
from proxy.harness.lane import Lane
from proxy.harness.upstream import OK, Upstream, answer
from proxy.harness.wire import Ending, Wire

SHORT = 0.2
SOON = 2.0


def drip(wire: Wire, data: bytes, *, seconds: float, seen: Wire | None = None) -> bool:
    """Send byte by byte over `seconds`; False as soon as `seen` (else the wire itself) has something to read."""
    pause = seconds / len(data)
    for position in range(len(data)):
        if select.select([(seen or wire).sock], [], [], pause)[0]:
            return False
        wire.send(data[position : position + 1])
    return True


def check_refused(lane: Lane, client: Client, status: int, code: str) -> None:
    began = time.monotonic()
    assert client.answer().status == status
    assert time.monotonic() - began < SOON
    assert lane.gateway.wait_event(RequestRefused).code == code


# the client's side


@pytest.mark.parametrize("part", [b"G", b"GET /rest/items HT", b"GET /rest/items HTTP/1.1\r\nHost: gw"])
def test_a_head_that_does_not_come_is_408(lane_with: LaneWith, part: bytes) -> None:
    lane = lane_with(head_seconds=SHORT)
    client = lane.client()
    client.send(part)
    check_refused(lane, client, 408, "GW109")
    client.wait_end()


def test_a_head_that_drips_is_408_as_well(lane_with: LaneWith) -> None:
    lane = lane_with(head_seconds=SHORT)
    client = lane.client()
    assert not drip(client, request("GET", "/rest/items", ["X-A: " + "a" * 300]), seconds=SOON)
    check_refused(lane, client, 408, "GW109")


@pytest.mark.parametrize("seconds", [0.0, SOON])
def test_blank_lines_do_not_keep_a_connection_open(lane_with: LaneWith, seconds: float) -> None:
    lane = lane_with(head_seconds=SHORT, idle_seconds=SHORT)
    client = lane.client()
    assert not drip(client, b"\r\n" * 100, seconds=seconds) or not seconds
    wait_until(lambda: not lane.gateway.gateway.connections, "the client to be closed", seconds=SOON)


def test_the_second_head_has_its_own_deadline(lane_with: LaneWith) -> None:
    lane = lane_with(head_seconds=SHORT)
    client = lane.client()
    with lane.upstream.serving():
        assert client.ask("GET", "/rest/items").status == 200
        client.send(b"GET /rest/items HTT")
        check_refused(lane, client, 408, "GW109")


@pytest.mark.parametrize("after_a_request", [False, True])
def test_an_idle_client_is_closed_without_a_word(lane_with: LaneWith, after_a_request: bool) -> None:  # noqa: FBT001
    lane = lane_with(idle_seconds=SHORT)
    client = lane.client()
    if after_a_request:
        with lane.upstream.serving():
            client.ask("GET", "/rest/items")
    assert client.ends_silently()
    assert client.ending is Ending.CLOSED


def test_a_busy_client_is_not_idle(lane_with: LaneWith) -> None:
    lane = lane_with(idle_seconds=SHORT, head_seconds=SHORT)
    client, upstream = lane.relaying()
    upstream.request()
    assert drip(upstream, OK, seconds=3 * SHORT)
    assert client.answer().status == 200


@pytest.mark.parametrize(
    ("framing", "part"), [("Content-Length: 10", b"abc"), (CHUNKED, b"3\r\nabc\r\n"), ("Content-Length: 10", b"")]
)
def test_an_upload_that_stalls_is_408_and_never_whole(lane_with: LaneWith, framing: str, part: bytes) -> None:
    lane = lane_with(body_stall_seconds=SHORT)
    client, upstream = lane.relaying(request("POST", "/rest/items", [framing]) + part)
    check_refused(lane, client, 408, "GW109")
    upstream.head()
    upstream.wait_end()
    assert upstream.unread == part
    client.wait_end()


def test_a_refused_upload_that_stalls_is_closed(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", ["Content-Length: 100"], token=None))
    assert client.answer().status == 401
    client.wait_end()


def test_an_upload_that_is_slow_but_steady_arrives(lane_with: LaneWith) -> None:
    lane = lane_with(body_stall_seconds=0.4, head_seconds=0.4, idle_seconds=0.4, upstream_first_byte_seconds=0.4)
    body = b"slow but steady"
    client, upstream = lane.relaying(request("POST", "/rest/items", [f"Content-Length: {len(body)}"]))
    assert drip(client, body, seconds=1.0)
    assert upstream.request().body == body
    upstream.send(OK)
    assert client.answer().status == 200


def test_a_client_that_does_not_read_is_cut_off_and_lets_the_upstream_go(lane_with: LaneWith) -> None:
    lane = lane_with(write_stall_seconds=SHORT)
    client = lane.client(receive_buffer=4096)
    _, upstream = lane.relaying(client=client)
    upstream.request()
    upstream.sock.settimeout(SOON)
    with pytest.raises((ConnectionResetError, BrokenPipeError)):
        upstream.sock.sendall(answer(b"x" * (64 << 20)))
    wait_until(lambda: lane.gateway.is_quiet, "both connections to be gone")
    assert lane.gateway.wait_event(RelayAborted)


def test_a_client_that_does_not_read_the_end_is_cut_off(lane_with: LaneWith) -> None:
    """The upstream is done; what is left waits in the gateway."""
    lane = lane_with(write_stall_seconds=SHORT, idle_seconds=60)
    client = lane.client(receive_buffer=4096)
    _, upstream = lane.relaying(request("GET", "/rest/items", ["Connection: close"]), client=client)
    upstream.request()
    upstream.send(answer(b"x" * 3_000_000))
    wait_until(lambda: not lane.gateway.gateway.connections, "the client to be cut off", seconds=SOON)


# the upstream's side


def test_no_answer_is_504_and_a_late_one_reaches_nobody(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_first_byte_seconds=SHORT)
    client, upstream = lane.relaying()
    upstream.request()
    check_refused(lane, client, 504, "GW302")
    assert upstream.wait_end()
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
    check_refused(lane, client, 504, "GW302")


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
    assert lane.gateway.wait_event(RelayAborted).reason == "answer stalled"


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
        check_refused(lane, client, 502, "GW300")


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


def test_hundreds_of_dripping_clients_do_not_keep_others_waiting(lane_with: LaneWith) -> None:
    lane = lane_with(head_seconds=SHORT)
    slow = [lane.client() for _ in range(300)]
    for client in slow:
        client.send(b"GET /rest/items HTTP/1.1\r\nX-A: ")
    with lane.upstream.serving():
        assert lane.client().ask("GET", "/rest/items").status == 200
    for client in slow:
        assert client.answer().status == 408
