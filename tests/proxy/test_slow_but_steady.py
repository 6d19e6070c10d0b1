"""Deadlines end what stands still. What is slow and goes on is left alone, in every direction."""

import socket
import time

from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.pace import feed, sip
from harness.relay.upstream import OK, UpstreamEnd, answer

from app.events import RequestRelayed

SHORT = 0.4
LONG = 4 * SHORT
SMALL_BUFFER = 8192


def shrink(transport: object) -> None:
    """Let the kernel keep little of what the gateway has written: what it cannot send stays in sight."""
    sock: socket.socket = transport.get_extra_info("socket")  # type: ignore[attr-defined]
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL_BUFFER)


def test_a_client_that_reads_slowly_gets_all_of_its_answer(lane_with: LaneWith) -> None:
    lane = lane_with(write_stall_seconds=2 * SHORT, upstream_stall_seconds=SHORT, idle_seconds=SHORT)
    client = lane.client(receive_buffer=4096)
    wait_until(lambda: lane.gateway.gateway.connections, "the client to be accepted")
    for connection in lane.gateway.connections:
        shrink(connection.transport)
    _, upstream = lane.relaying(client=client)
    upstream.request()
    upstream.send(answer(b"x" * 200_000))
    client.take_until(b"\r\n\r\n")
    early = len(client.unread)
    assert len(sip(client, 200_000 - early, seconds=LONG)) == 200_000 - early


def test_a_client_that_reads_the_end_of_a_closing_connection_slowly_gets_all_of_it(
    lane_with: LaneWith,
) -> None:
    lane = lane_with(write_stall_seconds=2 * SHORT, upstream_stall_seconds=SHORT, idle_seconds=SHORT)
    client = lane.client(receive_buffer=4096)
    wait_until(lambda: lane.gateway.gateway.connections, "the client to be accepted")
    for connection in lane.gateway.connections:
        shrink(connection.transport)
    _, upstream = lane.relaying(request("GET", "/rest/items", ["Connection: close"]), client=client)
    upstream.request()
    upstream.send(answer(b"x" * 100_000))
    client.take_until(b"\r\n\r\n")
    early = len(client.unread)
    assert len(sip(client, 100_000 - early, seconds=LONG)) == 100_000 - early


def test_an_answer_that_took_long_may_still_close_its_connection(lane_with: LaneWith) -> None:
    """The deadline for the last bytes begins with the last bytes, not with the request."""
    lane = lane_with(write_stall_seconds=SHORT, upstream_stall_seconds=60, upstream_first_byte_seconds=60)
    client = lane.client(receive_buffer=4096)
    wait_until(lambda: lane.gateway.gateway.connections, "the client to be accepted")
    for connection in lane.gateway.connections:
        shrink(connection.transport)
    _, upstream = lane.relaying(request("GET", "/rest/items", ["Connection: close"]), client=client)
    upstream.request()
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 2 * SHORT, "the upstream to think long enough")
    upstream.send(answer(b"x" * 60_000))
    wait_until(lambda: lane.gateway.events_of(RequestRelayed), "the answer to be written")
    assert len(client.answer().body) == 60_000


def slow_upload(lane: Lane) -> tuple[Client, UpstreamEnd, bytes]:
    """An upload that the gateway could not hand on yet, and what of it the client could not send yet."""
    body = b"x" * 400_000
    client = lane.client()
    client.send(request("POST", "/rest/items", [f"Content-Length: {len(body)}"]))
    upstream = lane.upstream.accept()
    wait_until(lambda: lane.gateway.pool._open, "the upstream connection")
    for connection in lane.gateway.pool._open:
        shrink(connection.transport)
    upstream.head()
    return client, upstream, feed(client, body, client)


def test_an_upstream_that_reads_slowly_gets_all_of_an_upload(lane_with: LaneWith) -> None:
    lane = lane_with(
        body_stall_seconds=SHORT,
        upstream_first_byte_seconds=SHORT,
        upstream_stall_seconds=SHORT,
        idle_seconds=SHORT,
    )
    lane.upstream.shrink_receive_buffer()
    client, upstream, left = slow_upload(lane)
    early = len(upstream.unread)
    got = early
    while got < 400_000:
        got += len(sip(upstream, min(20_000, 400_000 - got), seconds=LONG / 20))
        left = feed(client, left, client) if left else left
    upstream.send(OK)
    assert client.answer("POST").status == 200
