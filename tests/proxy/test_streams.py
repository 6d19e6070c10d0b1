"""Streams and tunnels end with their token, unless it is renewed, and at once with their session."""

import socket
import time
from typing import Any

import pytest
from harness.relay.answers import AnswerCut, AnswerReader
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.tokens import mint
from harness.relay.upstream import OK, Upstream, UpstreamEnd
from harness.relay.websockets import AGREED, HANDSHAKE
from harness.relay.wire import Ending

from app.events import RelayAborted
from app.proxy.exchange.deadlines import GRACE_SECONDS

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nabc"
EVENTS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: Text/Event-Stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n"
)


@pytest.fixture(autouse=True)
def _no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.proxy.exchange.deadlines.GRACE_SECONDS", 0.0)


@pytest.fixture
def lane(lane_with: LaneWith) -> Lane:
    upstream = Upstream()
    return lane_with(upstream=upstream, routes=f"/app/ {upstream.url} websocket")


def streaming(
    lane: Lane, token: str, data: bytes = CHUNKED, target: str = "/rest/items"
) -> tuple[AnswerReader, UpstreamEnd]:
    client, upstream = lane.relaying(request("GET", target, token=token))
    upstream.request()
    upstream.send(data)
    reader = client.answering()
    reader.body_of(3)
    return reader, upstream


def tunnelling(lane: Lane, token: str) -> tuple[Client, UpstreamEnd]:
    client, upstream = lane.relaying(request("GET", "/app/feed", HANDSHAKE, token=token))
    upstream.head()
    upstream.send(AGREED)
    client.take_until(b"\r\n\r\n")
    return client, upstream


def end_session(lane: Lane, session: str) -> None:
    lane.gateway.gateway.admission.verifier.revoke(session, time.time())


@pytest.mark.parametrize("target", ["/rest/items", "/app/items"])
@pytest.mark.parametrize("data", [CHUNKED, SIZED], ids=["chunked", "sized"])
def test_a_stream_ends_when_its_token_does(lane: Lane, target: str, data: bytes) -> None:
    reader, upstream = streaming(lane, mint(seconds=2), data, target)
    with pytest.raises(AnswerCut):
        reader.whole()
    upstream.wait_end()
    assert lane.gateway.wait_event(RelayAborted).reason == "token expired"


def test_a_cut_stream_that_closing_would_end_is_reset(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", token=mint(sid="s"), version="1.0"))
    upstream.request()
    upstream.send(UNTIL_CLOSE)
    client.take_until(b"abc")
    end_session(lane, "s")
    client.wait_end()
    assert client.ending is Ending.RESET


@pytest.mark.parametrize("target", ["/rest/items", "/app/items"])
def test_a_stream_ends_at_once_with_its_session(lane: Lane, target: str) -> None:
    reader, upstream = streaming(lane, mint(sid="s"), target=target)
    other, _ = streaming(lane, mint(sid="t"), target=target)
    end_session(lane, "s")
    with pytest.raises(AnswerCut):
        reader.whole()
    upstream.wait_end()
    assert lane.gateway.wait_event(RelayAborted).reason == "session ended"
    assert len(lane.gateway.events_of(RelayAborted)) == 1
    assert other.body_of(3) == b"abc"


@pytest.mark.parametrize("claims", [{}, {"sid": "s"}], ids=["without a session", "of a session"])
def test_a_tunnel_ends_when_its_token_does(lane: Lane, claims: dict[str, Any]) -> None:
    client, upstream = tunnelling(lane, mint(seconds=2, **claims))
    client.wait_end()
    upstream.wait_end()
    assert lane.gateway.wait_event(RelayAborted).reason == "token expired"


def test_a_tunnel_ends_at_once_with_its_session(lane: Lane) -> None:
    client, upstream = tunnelling(lane, mint(sid="s"))
    end_session(lane, "s")
    client.wait_end()
    upstream.wait_end()
    assert lane.gateway.wait_event(RelayAborted).reason == "session ended"


def test_a_renewed_session_keeps_its_tunnels_and_streams(lane: Lane) -> None:
    exp = int(time.time()) + 2
    client, upstream = tunnelling(lane, mint(sid="s", exp=exp))
    reader, source = streaming(lane, mint(sid="s", exp=exp))
    alone, _ = tunnelling(lane, mint(exp=exp))
    other, end = lane.relaying(request("GET", "/rest/items", token=mint(sid="s")))
    end.request()
    end.send(OK)
    assert other.answer().status == 200
    alone.wait_end()  # the token of before is over
    wait_until(lambda: time.time() > exp + 0.5, "the first token to be over")
    client.send(b"up")
    assert upstream.take(2) == b"up"
    source.send(b"3\r\nend\r\n0\r\n\r\n")
    assert reader.whole().body == b"abcend"


def test_an_answer_that_a_tokens_last_moment_admitted_has_time_to_end(
    lane: Lane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.proxy.exchange.deadlines.GRACE_SECONDS", 60.0)
    exp = int(time.time()) + 1
    reader, source = streaming(lane, mint(exp=exp))
    wait_until(lambda: time.time() > exp + 0.3, "the token to be over")
    source.send(b"3\r\nend\r\n0\r\n\r\n")
    assert reader.whole().body == b"abcend"
    assert GRACE_SECONDS < 10


class TestSilence:
    @staticmethod
    def lane(lane_with: LaneWith, options: str = "", **settings: float) -> Lane:
        upstream = Upstream()
        return lane_with(upstream=upstream, routes=f"/app/ {upstream.url} {options}", **settings)

    @staticmethod
    def is_cut(lane: Lane, data: bytes, seconds: float = 0.8) -> bool:
        client, upstream = lane.relaying(request("GET", "/app/x"))
        upstream.request()
        upstream.send(data)
        client.sock.settimeout(seconds)
        try:
            while client.sock.recv(65_536):
                pass
        except TimeoutError:
            return False
        return True

    def test_a_quiet_event_stream_is_not_cut(self, lane_with: LaneWith) -> None:
        lane = self.lane(lane_with, upstream_stall_seconds=0.2)
        assert not self.is_cut(lane, EVENTS)
        assert self.is_cut(lane, CHUNKED)

    def test_a_routes_own_deadline_counts(self, lane_with: LaneWith) -> None:
        lane = self.lane(lane_with, "stall_seconds=0.2")
        assert self.is_cut(lane, EVENTS)
        assert self.is_cut(lane, CHUNKED)

    def test_a_route_may_have_no_deadline(self, lane_with: LaneWith) -> None:
        lane = self.lane(lane_with, "stall_seconds=0", upstream_stall_seconds=0.2)
        assert not self.is_cut(lane, CHUNKED)

    def test_a_quiet_event_stream_ends_with_its_client(self, lane_with: LaneWith) -> None:
        lane = self.lane(lane_with)
        client, upstream = lane.relaying(request("GET", "/app/x"))
        upstream.request()
        upstream.send(EVENTS)
        client.take_until(b"\r\n\r\n")
        client.close()
        upstream.wait_end()

    def test_the_system_looks_after_both_ends_of_it(self, lane_with: LaneWith) -> None:
        lane = self.lane(lane_with)
        client, upstream = lane.relaying(request("GET", "/app/x"))
        upstream.request()
        upstream.send(EVENTS)
        client.take_until(b"\r\n\r\n")
        gateway = lane.gateway.gateway
        transports = [client.transport for client in lane.gateway.connections]
        opened = [end.transport for pool in gateway.upstreams.values() for end in pool._open]
        transports += [transport for transport in opened if transport is not None]
        assert len(transports) == 2
        for transport in transports:
            sock = transport.get_extra_info("socket")
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1

    @pytest.mark.parametrize(("seconds", "status"), [("0.2", 504), ("0", 200)])
    def test_the_first_byte_has_a_deadline_of_its_route(
        self, lane_with: LaneWith, seconds: str, status: int
    ) -> None:
        lane = self.lane(lane_with, f"first_byte_seconds={seconds}", upstream_first_byte_seconds=0.4)
        client, upstream = lane.relaying(request("GET", "/app/x"))
        upstream.request()
        if status == 200:
            began = lane.gateway.gateway.clock.now
            wait_until(lambda: lane.gateway.gateway.clock.now > began + 0.6, "the other deadline to pass")
            upstream.send(OK)
        assert client.answer().status == status
