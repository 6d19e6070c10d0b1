"""Bodies that drip: no byte is late by itself, and all in all they come too slowly."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest
from harness.relay.checks import check_refused_soon
from harness.relay.client import CHUNKED, Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.gateway import RunningGateway
from harness.relay.lane import Lane
from harness.relay.pace import drip
from harness.relay.upstream import OK, Upstream

from app.events import RelayAborted, RequestRejected
from proxy.test_slow_but_steady import shrink

SHORT = 0.3
SOON = 2.0
JSON = "Content-Type: application/json"
LENGTH = "Content-Length: 1000"
PIECES = b"1\r\nx\r\n" * 200
ATTACKERS = 300
LARGE = 700_000  # more than the gateway keeps


def reason_of(gateway: RunningGateway) -> str:
    return gateway.wait_event(RequestRejected).reason


@pytest.mark.parametrize(("framing", "body"), [(LENGTH, b"x" * 1000), (CHUNKED, PIECES)])
def test_an_upload_that_drips_is_408_and_lets_the_upstream_go(
    lane_with: LaneWith, framing: str, body: bytes
) -> None:
    lane = lane_with(body_stall_seconds=SHORT)
    client, upstream = lane.relaying(request("POST", "/rest/items", [framing]))
    assert not drip(client, body, seconds=10 * SOON)
    check_refused_soon(lane, client, 408, "GW109")
    assert reason_of(lane.gateway) == "body too slow"
    upstream.head()
    upstream.wait_end()
    client.wait_end()


def test_trailers_that_drip_are_408_as_well(lane_with: LaneWith) -> None:
    lane = lane_with(body_stall_seconds=SHORT)
    client, _ = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + b"1\r\nx\r\n0\r\n")
    assert not drip(client, b"X-A: " + b"a" * 500, seconds=10 * SOON)
    check_refused_soon(lane, client, 408, "GW109")


def test_what_came_early_counts_for_what_comes_late(lane_with: LaneWith) -> None:
    """A second more for each 100 bytes: they bought enough of them."""
    lane = lane_with(body_stall_seconds=SHORT, body_bytes_per_second=100)
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 1010"]) + b"x" * 1000)
    assert drip(client, b"slow bytes", seconds=4 * SHORT)
    assert len(upstream.request().body) == 1010
    upstream.send(OK)
    assert client.answer().status == 200


def test_an_upload_that_drips_on_behind_the_head_of_its_answer_is_cut(lane_with: LaneWith) -> None:
    lane = lane_with(body_stall_seconds=SHORT)
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]))
    upstream.head()
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc")
    client.take_until(b"abc")
    drip(client, PIECES, seconds=SOON, seen=upstream)
    client.wait_end()
    assert client.unread == b""
    assert lane.gateway.wait_event(RelayAborted).reason == "body too slow"
    upstream.wait_end()


def test_waiting_for_an_upstream_connection_does_not_count(lane_with: LaneWith) -> None:
    lane = lane_with(body_stall_seconds=SHORT, upstream_connections=1, upstream_queue_seconds=60)
    first, upstream = lane.relaying()
    upstream.request()
    second = lane.client()
    second.send(request("POST", "/rest/items", ["Content-Length: 20"]))
    assert drip(second, b"ten bytes.", seconds=4 * SHORT)
    upstream.send(OK)
    assert first.answer().status == 200
    second.send(b"ten bytes.")
    assert upstream.request().body == b"ten bytes." * 2
    upstream.send(OK)
    assert second.answer().status == 200


def test_while_the_upstream_does_not_read_nothing_counts(lane_with: LaneWith) -> None:
    lane = lane_with(body_stall_seconds=SHORT, body_bytes_per_second=1_000_000)
    lane.upstream.shrink_receive_buffer()
    client, upstream = lane.relaying(request("POST", "/rest/items", [f"Content-Length: {LARGE}"]))
    upstream.head()
    for connection in lane.gateway.pool._open:
        shrink(connection.transport)
    client.send(b"x" * LARGE)
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 4 * SHORT, "the upstream to rest")
    assert client.is_quiet
    assert [each.flow.read_paused for each in lane.gateway.connections] == [True]
    upstream.take(LARGE)
    upstream.send(OK)
    assert client.answer("POST").status == 200


class TestTheAppLane:
    """The gateway's own functions: the database is dead, so a body that arrives is answered 503."""

    def sent(self, lane: Lane, *fields: str) -> Client:
        client = lane.client()
        client.send(request("POST", "/rpc/login", [JSON, *fields], token=None))
        return client

    def test_a_login_that_stalls_is_408(self, lane_with: LaneWith) -> None:
        lane = lane_with(body_stall_seconds=SHORT)
        client = self.sent(lane, LENGTH)
        check_refused_soon(lane, client, 408, "GW109")
        client.wait_end()

    @pytest.mark.parametrize(("framing", "body"), [(LENGTH, b"x" * 1000), (CHUNKED, PIECES)])
    def test_a_login_that_drips_is_408(self, lane_with: LaneWith, framing: str, body: bytes) -> None:
        lane = lane_with(body_stall_seconds=SHORT)
        client = self.sent(lane, framing, "Origin: http://gw.test")
        assert not drip(client, body, seconds=10 * SOON)
        check_refused_soon(lane, client, 408, "GW109")
        client.wait_end()
        assert client.unread == b""

    @pytest.mark.parametrize("least", [10, 0])
    def test_a_login_that_is_slow_but_steady_arrives(self, lane_with: LaneWith, least: int) -> None:
        lane = lane_with(body_stall_seconds=SHORT, body_bytes_per_second=least, head_seconds=SHORT)
        client = self.sent(lane, "Content-Length: 15")
        assert drip(client, b'{"user_": null}', seconds=1.0)
        assert client.answer("POST").status == 503

    def test_the_app_is_told_and_answers_nothing(
        self, lane_with: LaneWith, caplog: pytest.LogCaptureFixture
    ) -> None:
        lane = lane_with(body_stall_seconds=SHORT)
        client = self.sent(lane, LENGTH)
        assert client.answer("POST").status == 408
        client.wait_end()
        assert [event.code for event in lane.gateway.events_of(RequestRejected)] == ["GW109"]
        assert client.unread == b""
        assert caplog.records == []

    def test_a_login_behind_another_request_has_its_own_time(self, lane_with: LaneWith) -> None:
        lane = lane_with(body_stall_seconds=SHORT)
        login = request("POST", "/rpc/login", [JSON, "Content-Length: 2"], token=None)
        client, upstream = lane.relaying(request("GET", "/rest/items") + login)
        upstream.request()
        assert drip(upstream, OK, seconds=3 * SHORT)
        assert client.answer().status == 200
        client.send(b"{}")
        assert client.answer("POST").status == 503

    def test_chunks_that_make_no_sense_are_400(self, lane_with: LaneWith) -> None:
        client = self.sent(lane := lane_with(), CHUNKED)
        client.send(b"zz\r\n")
        check_refused_soon(lane, client, 400, "GW100")
        client.wait_end()
        assert client.unread == b""


@contextmanager
def dripping(clients: list[Client]) -> Iterator[None]:
    """A byte of each, now and then, until the block ends."""
    stop = threading.Event()

    def go_on() -> None:
        while not stop.wait(SHORT / 6):
            for client in clients:
                with suppress(OSError):  # it has been cut off
                    client.sock.send(b"x")

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(SOON)


def test_hundreds_of_dripping_bodies_keep_others_waiting_no_longer_than_one_of_them_may_take(
    lane_with: LaneWith,
) -> None:
    upstream = Upstream()
    lane = lane_with(upstream=upstream, body_stall_seconds=SHORT)
    assert lane.gateway.gateway.limits.upstream_connections < ATTACKERS
    slow = [lane.client() for _ in range(ATTACKERS)]
    for client in slow:
        client.send(request("POST", "/rest/items", [LENGTH]))
    with upstream.serving(), dripping(slow):
        wait_until(lambda: lane.gateway.pool.queued_exchanges, "every connection to be taken")
        began = time.monotonic()
        assert lane.client().ask("GET", "/rest/items").status == 200
        assert time.monotonic() - began < SHORT + SOON
        for client in slow:
            assert client.answer().status == 408
