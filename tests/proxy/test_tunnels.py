"""WebSockets through a route that lets them: a handshake with the session checked, then bytes both ways."""

import asyncio

import pytest
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.tokens import VALID
from harness.relay.upstream import OK, Upstream, UpstreamEnd, answer
from harness.relay.websockets import ACCEPT, AGREED, HANDSHAKE
from harness.relay.wire import Ending

from app.events import RelayAborted, RequestRelayed


@pytest.fixture
def lane(lane_with: LaneWith) -> Lane:
    upstream = Upstream()
    url = upstream.url
    routes = f"/live/ {url} required websocket, /open/ {url} none websocket, /files/ {url}"
    return lane_with(upstream=upstream, routes=routes, idle_seconds=0.2, upstream_stall_seconds=0.2)


def opened(lane: Lane) -> tuple[Client, UpstreamEnd]:
    client, upstream = lane.relaying(request("GET", "/live/feed?a=1", HANDSHAKE))
    upstream.head()
    upstream.send(AGREED)
    head = client.take_until(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 101 ")
    return client, upstream


def transports(lane: Lane) -> list[asyncio.Transport]:
    """Both sides of every tunnel, as the gateway holds them."""
    upstream = [each.transport for pool in lane.gateway.gateway.upstreams.values() for each in pool._open]
    clients = [each.transport for each in lane.gateway.connections]
    return [each for each in (*clients, *upstream) if each is not None]


def test_the_handshake_crosses_both_ways(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/live/feed?a=1", HANDSHAKE))
    head = upstream.head()
    assert head.target == b"/live/feed?a=1"
    assert head.value(b"upgrade") == b"websocket"
    assert head.value(b"connection").lower() == b"upgrade"
    assert head.value(b"sec-websocket-key") == b"dGhlIHNhbXBsZSBub25jZQ=="
    assert head.value(b"authorization") == f"Bearer {VALID}".encode()
    assert b"cookie" not in head.names
    upstream.send(AGREED)
    lines = client.take_until(b"\r\n\r\n").lower().split(b"\r\n")
    assert lines[0] == b"http/1.1 101 switching protocols"
    assert {b"upgrade: websocket", b"connection: upgrade"} <= set(lines)
    assert b"sec-websocket-accept: s3ppLMbitxaq9kygzzhzrbk+xoo=".lower() in lines


def test_bytes_cross_both_ways_as_they_come(lane: Lane) -> None:
    client, upstream = opened(lane)
    for number in range(5):
        client.send(b"\x81\x85up\x00\xff%d" % number)
        assert upstream.take(7) == b"\x81\x85up\x00\xff%d" % number
        upstream.send(b"HTTP/1.1 down %d\r\n\r\n" % number)
        assert client.take(19) == b"HTTP/1.1 down %d\r\n\r\n" % number


def test_bytes_that_come_with_the_handshake_are_not_lost(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/live/feed", HANDSHAKE) + b"early up")
    upstream.head()
    assert upstream.is_quiet
    upstream.send(AGREED + b"early down")
    client.take_until(b"\r\n\r\n")
    assert client.take(10) == b"early down"
    assert upstream.take(8) == b"early up"


def test_a_silent_tunnel_stays_open(lane: Lane) -> None:
    client, upstream = opened(lane)
    upstream.send(b"a")
    client.take(1)
    client.sock.settimeout(0.6)  # three times the deadlines of ordinary traffic
    with pytest.raises(TimeoutError):
        client.sock.recv(1)
    client.send(b"b")
    assert upstream.take(1) == b"b"


def test_a_client_that_leaves_ends_the_tunnel(lane: Lane) -> None:
    client, upstream = opened(lane)
    client.close()
    assert upstream.ends_silently()
    wait_until(lambda: lane.gateway.is_quiet, "both connections to be gone")
    assert lane.gateway.wait_event(RequestRelayed).status == 101


def test_an_upstream_that_leaves_ends_the_tunnel(lane: Lane) -> None:
    client, upstream = opened(lane)
    upstream.send(b"bye")
    upstream.close()
    assert client.take(3) == b"bye"
    assert client.ends_silently()
    assert client.ending is Ending.CLOSED
    wait_until(lambda: lane.gateway.is_quiet, "both connections to be gone")
    assert not lane.gateway.events_of(RelayAborted)


def test_what_a_client_said_last_is_delivered(lane: Lane) -> None:
    client, upstream = opened(lane)
    client.send(b"x" * 300_000)
    client.half_close()
    assert len(upstream.take(300_000)) == 300_000
    upstream.wait_end()


def test_a_large_flow_is_held_back(lane: Lane) -> None:
    client, upstream = opened(lane)
    upstream.sock.setblocking(False)  # noqa: FBT003
    sent = 0
    try:
        while sent < 256 << 20:
            sent += upstream.sock.send(b"x" * 65_536)
            assert all(c.transport.get_write_buffer_size() < 2 << 20 for c in lane.gateway.connections)
    except BlockingIOError:
        pass
    assert len(client.take(sent)) == sent


def test_a_tunnel_is_never_lent_to_another_request(lane: Lane) -> None:
    _, upstream = opened(lane)
    other, second = lane.relaying(request("GET", "/files/x"))
    assert second is not upstream
    second.request()
    second.send(OK)
    assert other.answer().status == 200


def test_a_handshake_that_the_upstream_refuses_is_an_ordinary_answer(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/live/feed", HANDSHAKE))
    upstream.head()
    upstream.send(answer(b"no", status="403 Forbidden"))
    got = client.answer()
    assert (got.status, got.body) == (403, b"no")
    client.wait_end()
    assert client.unread == b""


@pytest.mark.parametrize(
    "said",
    [
        b"Upgrade: h2c\r\nConnection: Upgrade\r\n" + ACCEPT,
        b"Upgrade: websocket, h2c\r\nConnection: Upgrade\r\n" + ACCEPT,
        b"Connection: Upgrade\r\n" + ACCEPT,
        b"Upgrade: websocket\r\n" + ACCEPT,
        b"Upgrade: websocket\r\nConnection: keep-alive\r\n" + ACCEPT,
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAA\r\n",
        b"Upgrade: websocket\r\nConnection: Upgrade\r\n" + ACCEPT + ACCEPT,
    ],
)
def test_another_upgrade_than_was_asked_for_is_502_and_ends_the_connection(lane: Lane, said: bytes) -> None:
    client, upstream = lane.relaying(request("GET", "/live/feed", HANDSHAKE))
    upstream.head()
    upstream.send(b"HTTP/1.1 101 Switching Protocols\r\n" + said + b"\r\nsecret")
    got = client.answer()
    assert (got.status, b"secret" in got.body) == (502, False)
    upstream.wait_end()


def test_without_a_session_nothing_opens(lane: Lane) -> None:
    client = lane.client()
    client.send(request("GET", "/live/feed", HANDSHAKE, token=None) + b"early")
    assert client.answer().status == 401
    assert lane.upstream.nobody_knocks
    client.wait_end()


def test_a_public_route_opens_for_everybody_and_tells_of_nobody(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/open/feed", HANDSHAKE))
    assert b"authorization" not in upstream.head().names
    upstream.send(AGREED)
    assert client.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("origin", ["https://evil.test", "null", "http://gw.test.evil.test"])
def test_a_page_of_another_site_opens_nothing_with_the_cookie(lane: Lane, origin: str) -> None:
    client = lane.client()
    client.send(request("GET", "/live/feed", [*HANDSHAKE, f"Origin: {origin}"]))
    assert client.answer().status == 403
    assert lane.upstream.nobody_knocks


def test_a_page_of_this_site_opens_one(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/live/feed", [*HANDSHAKE, "Origin: http://gw.test"]))
    upstream.head()
    upstream.send(AGREED)
    assert client.take_until(b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")


@pytest.mark.parametrize("path", ["/files/feed", "/rest/items", "/rpc/login"])
def test_other_routes_do_not_change_protocols(lane: Lane, path: str) -> None:
    client = lane.client()
    client.send(request("GET", path, HANDSHAKE) + b"early")
    assert client.answer().status in {400, 405}
    assert lane.upstream.nobody_knocks
    client.wait_end()


def test_a_choice_of_protocols_is_refused(lane: Lane) -> None:
    client = lane.client()
    client.send(request("GET", "/live/feed", ["Connection: Upgrade", "Upgrade: websocket, h2c"]))
    assert client.answer().status == 400
    assert lane.upstream.nobody_knocks


@pytest.mark.parametrize("protocol", ["h2c", "foo"])
@pytest.mark.parametrize("path", ["/live/feed", "/files/feed", "/rest/items"])
def test_to_another_protocol_the_answer_is_http_and_the_last(lane: Lane, path: str, protocol: str) -> None:
    """A server may ignore an upgrade (RFC 9110 section 7.8): nothing of it reaches the upstream."""
    asks = ["Connection: Upgrade, HTTP2-Settings", f"Upgrade: {protocol}", "HTTP2-Settings: AAMA"]
    client, upstream = lane.relaying(request("GET", path, asks) + request("GET", "/files/smuggled"))
    received = upstream.request()
    assert not {b"upgrade", b"http2-settings", b"connection"} & received.head.names
    client.send(request("GET", "/files/smuggled"))
    upstream.send(OK)
    got = client.answer()
    assert (got.status, got.head.closes) == (200, True)
    client.wait_end()
    assert client.unread == b""
    assert upstream.unread == b""


def test_an_ignored_upgrade_ends_no_other_clients_upstream_connection(lane: Lane) -> None:
    first, upstream = lane.relaying(request("GET", "/files/1", ["Connection: Upgrade", "Upgrade: h2c"]))
    upstream.request()
    upstream.send(OK)
    assert first.answer().status == 200
    second = lane.client()
    second.send(request("GET", "/files/2"))
    assert upstream.request().head.target == b"/files/2"
    upstream.send(OK)
    assert second.answer().status == 200


def test_an_ignored_upgrade_waits_for_its_turn(lane: Lane) -> None:
    plain, asking = (
        request("GET", "/files/1"),
        request("GET", "/files/2", ["Connection: Upgrade", "Upgrade: h2c"]),
    )
    client, upstream = lane.relaying(plain + asking + request("GET", "/files/3"))
    for number in (1, 2):
        assert upstream.request().head.target == b"/files/%d" % number
        upstream.send(OK)
    assert [client.answer().head.closes for _ in range(2)] == [False, True]
    client.wait_end()
    assert client.unread == b""
    assert upstream.unread == b""


def test_an_upgrade_with_a_body_never_confuses_the_next_request(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/live/feed", HANDSHAKE, body=b"{}") + request("GET", "/files/smuggled"))
    client.answer("POST")
    client.wait_end()
    assert client.unread == b""
    assert b"smuggled" not in b"".join(bytes(end.received) for end in lane.upstream.ends)


def test_a_handshake_that_gets_no_answer_is_504(lane_with: LaneWith) -> None:
    upstream = Upstream()
    lane = lane_with(
        upstream=upstream, routes=f"/live/ {upstream.url} required websocket", upstream_first_byte_seconds=0.2
    )
    client, end = lane.relaying(request("GET", "/live/feed", HANDSHAKE))
    end.head()
    assert client.answer().status == 504
    end.wait_end()
