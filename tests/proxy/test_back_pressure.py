"""Whoever is slow slows its own partner, and nobody else; what waits in between stays small."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from harness.relay.client import CHUNKED, request
from harness.relay.deadlines import PATIENCE_SECONDS, wait_until
from harness.relay.gateway import RunningGateway
from harness.relay.lane import Lane
from harness.relay.upstream import OK, answer, answering

LARGE = 32 << 20
KEPT_AT_MOST = 2 << 20


def waiting_for_clients(gateway: RunningGateway) -> int:
    """Bytes that the gateway holds for its clients."""
    return sum(client.transport.get_write_buffer_size() for client in gateway.connections)


def waiting_for_upstream(gateway: RunningGateway) -> int:
    connections = [connection.transport for connection in list(gateway.pool._open)]
    return sum(transport.get_write_buffer_size() for transport in connections if transport is not None)


@contextmanager
def sending(wire: object, data: bytes) -> Iterator[threading.Thread]:
    """Send in a thread of its own: it blocks until the other side takes it."""
    sock = wire.sock  # type: ignore[attr-defined]
    sock.settimeout(None)

    def send() -> None:
        with suppress(OSError):
            sock.sendall(data)

    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    yield thread


def test_refusals_that_nobody_reads_are_not_piled_up(lane: Lane) -> None:
    """Not the repeated ones either, which cost the gateway next to nothing to give."""
    gateway = lane.gateway.gateway
    slow = lane.client(receive_buffer=4096)
    stranger = request("GET", "/rest/items", token=None)
    slow.send(stranger)
    assert slow.answer().status == 401
    [connection] = lane.gateway.connections

    async def ask_on() -> bool:
        for _ in range(20_000):
            gateway.head_cache._tick = gateway.clock.now  # as when others are refused the same
            if not connection.flow.read_paused:
                connection.data_received(stranger)
        return connection.flow.read_paused

    assert asyncio.run_coroutine_threadsafe(ask_on(), lane.gateway.loop).result(PATIENCE_SECONDS)
    assert waiting_for_clients(lane.gateway) < KEPT_AT_MOST


def test_a_client_that_does_not_read_holds_its_upstream_back_and_nobody_else(lane: Lane) -> None:
    slow = lane.client(receive_buffer=4096)
    _, upstream = lane.relaying(client=slow)
    upstream.request()
    with sending(upstream, answer(b"x" * LARGE)) as sender:
        wait_until(lambda: waiting_for_clients(lane.gateway) > 65_536, "the gateway to hold something")
        other, second = lane.relaying()
        for _ in range(20):
            second.request()
            second.send(OK)
            assert other.answer().status == 200
            assert waiting_for_clients(lane.gateway) < KEPT_AT_MOST
            other.send(request("GET", "/rest/items"))
        assert sender.is_alive()
        reader = slow.answering()
        assert len(reader.whole().body) == LARGE
        sender.join(1)


def test_an_upstream_that_does_not_read_holds_its_client_back_and_nobody_else(lane: Lane) -> None:
    client, slow = lane.relaying(request("POST", "/rest/items", [f"Content-Length: {LARGE}"]))
    with sending(client, b"x" * LARGE) as sender:
        wait_until(lambda: waiting_for_upstream(lane.gateway) > 65_536, "the gateway to hold something")
        other, second = lane.relaying()
        for _ in range(20):
            second.request()
            second.send(OK)
            assert other.answer().status == 200
            assert waiting_for_upstream(lane.gateway) < KEPT_AT_MOST
            other.send(request("GET", "/rest/items"))
        assert sender.is_alive()
        assert len(slow.request().body) == LARGE
        slow.send(OK)
        sender.join(1)
        assert client.answer().status == 200


def test_a_chunked_upload_is_held_back_as_well(lane: Lane) -> None:
    client, slow = lane.relaying(request("POST", "/rest/items", [CHUNKED]))
    pieces = b"10000\r\n" + b"x" * 65_536 + b"\r\n"
    with sending(client, pieces * 256 + b"0\r\n\r\n") as sender:
        wait_until(lambda: waiting_for_upstream(lane.gateway) > 65_536, "the gateway to hold something")
        assert waiting_for_upstream(lane.gateway) < KEPT_AT_MOST
        assert len(slow.request().body) == 65_536 * 256
        slow.send(OK)
        sender.join(1)
        assert client.answer().status == 200


def test_a_pipeline_whose_answers_nobody_reads_is_not_served_on(lane: Lane) -> None:
    client = lane.client(receive_buffer=4096)
    body = b"x" * 262_144
    with lane.upstream.serving(answering(answer(body))):
        client.send(request("GET", "/rest/items") * 30)
        wait_until(lambda: waiting_for_clients(lane.gateway) > 65_536, "the gateway to hold something")
        for _ in range(30):
            assert waiting_for_clients(lane.gateway) < KEPT_AT_MOST
            assert len(client.answer().body) == len(body)


def test_a_client_that_asks_again_and_again_and_reads_nothing_is_not_served_on(lane: Lane) -> None:
    client = lane.client(receive_buffer=4096)
    body = b"x" * 262_144
    with lane.upstream.serving(answering(answer(body))):
        for _ in range(30):
            client.send(request("GET", "/rest/items"))
            lane.gateway.take_turns(20)
            assert waiting_for_clients(lane.gateway) < KEPT_AT_MOST
        for _ in range(30):
            assert len(client.answer().body) == len(body)
        assert client.ask("GET", "/rest/items").status == 200


def test_after_a_pause_the_next_request_is_read(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [f"Content-Length: {LARGE // 4}"]))
    with sending(client, b"x" * (LARGE // 4) + request("GET", "/rest/next")) as sender:
        assert len(upstream.request().body) == LARGE // 4
        upstream.send(OK)
        assert upstream.request().head.target == b"/next"
        upstream.send(OK)
        sender.join(1)
    assert [client.answer().status, client.answer().status] == [200, 200]
