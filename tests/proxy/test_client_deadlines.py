"""What a client may take of time, and that what is only slow is left alone."""

import pytest
from harness.relay.checks import check_refused_soon
from harness.relay.client import CHUNKED, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.pace import drip
from harness.relay.upstream import OK, answer
from harness.relay.wire import Ending

from app.events import RelayAborted

SHORT = 0.2
SOON = 2.0


@pytest.mark.parametrize("part", [b"G", b"GET /rest/items HT", b"GET /rest/items HTTP/1.1\r\nHost: gw"])
def test_a_head_that_does_not_come_is_408(lane_with: LaneWith, part: bytes) -> None:
    lane = lane_with(head_seconds=SHORT)
    client = lane.client()
    client.send(part)
    check_refused_soon(lane, client, 408, "GW109")
    client.wait_end()


def test_a_head_that_drips_is_408_as_well(lane_with: LaneWith) -> None:
    lane = lane_with(head_seconds=SHORT)
    client = lane.client()
    assert not drip(client, request("GET", "/rest/items", ["X-A: " + "a" * 300]), seconds=SOON)
    check_refused_soon(lane, client, 408, "GW109")


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
        check_refused_soon(lane, client, 408, "GW109")


def test_a_head_that_is_not_read_because_others_wait_is_not_late(lane_with: LaneWith) -> None:
    """Reading stops while requests queue on a connection: what then does not come is not late."""
    lane = lane_with(head_seconds=SHORT)
    one, two, three = (request("GET", f"/rest/{number}") for number in (1, 2, 3))
    client, upstream = lane.relaying(one + two + three[:20])
    upstream.request()
    client.send(three[20:])
    assert drip(upstream, answer(b"x" * 20), seconds=3 * SHORT)
    for number in (2, 3):
        assert upstream.request().head.target == b"/%d" % number
        upstream.send(OK)
    assert [client.answer().status for _ in range(3)] == [200, 200, 200]


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
    ("framing", "part"),
    [("Content-Length: 10", b"abc"), (CHUNKED, b"3\r\nabc\r\n"), ("Content-Length: 10", b"")],
)
def test_an_upload_that_stalls_is_408_and_never_whole(lane_with: LaneWith, framing: str, part: bytes) -> None:
    lane = lane_with(body_stall_seconds=SHORT)
    client, upstream = lane.relaying(request("POST", "/rest/items", [framing]) + part)
    check_refused_soon(lane, client, 408, "GW109")
    upstream.head()
    upstream.wait_end()
    assert upstream.unread == part
    client.wait_end()


def test_a_refused_upload_that_stalls_is_closed(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", ["Content-Length: 100"], token=None))
    assert client.answer().status == 401
    client.wait_end()


@pytest.mark.parametrize("least", [10, 0])
def test_an_upload_that_is_slow_but_steady_arrives(lane_with: LaneWith, least: int) -> None:
    lane = lane_with(
        body_stall_seconds=0.4,
        body_bytes_per_second=least,
        head_seconds=0.4,
        idle_seconds=0.4,
        upstream_first_byte_seconds=0.4,
    )
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
    assert lane.gateway.wait_event(RelayAborted).reason == "client gone"


def test_a_client_that_does_not_read_the_end_is_cut_off(lane_with: LaneWith) -> None:
    """The upstream is done; what is left waits in the gateway."""
    lane = lane_with(write_stall_seconds=SHORT, idle_seconds=60)
    client = lane.client(receive_buffer=4096)
    _, upstream = lane.relaying(request("GET", "/rest/items", ["Connection: close"]), client=client)
    upstream.request()
    upstream.send(answer(b"x" * 3_000_000))
    wait_until(lambda: not lane.gateway.gateway.connections, "the client to be cut off", seconds=SOON)


def test_hundreds_of_dripping_clients_do_not_keep_others_waiting(lane_with: LaneWith) -> None:
    lane = lane_with(head_seconds=SHORT)
    slow = [lane.client() for _ in range(300)]
    for client in slow:
        client.send(b"GET /rest/items HTTP/1.1\r\nX-A: ")
    with lane.upstream.serving():
        assert lane.client().ask("GET", "/rest/items").status == 200
    for client in slow:
        assert client.answer().status == 408
