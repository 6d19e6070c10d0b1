"""Bytes of an upstream that belong to no answer: they never reach anybody, least of all the next client."""

import pytest
from harness.relay.checks import check_next_request_takes_a_new_connection
from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK, answer


@pytest.mark.parametrize(
    "said",
    [
        OK + b"surplus",
        OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ],
)
def test_surplus_bytes_never_reach_anybody(lane: Lane, said: bytes) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(said)
    got = client.answer()
    assert (got.status, got.body) == (200, b"[]")
    check_next_request_takes_a_new_connection(lane, client)
    assert client.is_quiet


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_the_body_of_an_answer_that_has_none_never_reaches_anybody(
    lane: Lane, status: str, method: str
) -> None:
    client, upstream = lane.relaying(request(method, "/rest/items"))
    upstream.request()
    upstream.send(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\nhello".encode())
    assert client.answer(method).body == b""
    check_next_request_takes_a_new_connection(lane, client)


def test_the_body_of_an_answer_to_head_never_reaches_anybody(lane: Lane) -> None:
    client, upstream = lane.relaying(request("HEAD", "/rest/items"))
    upstream.request()
    upstream.send(OK)
    assert client.answer("HEAD").body == b""
    check_next_request_takes_a_new_connection(lane, client)


def test_the_body_of_an_answer_to_head_that_comes_late_never_reaches_anybody(lane: Lane) -> None:
    client, upstream = lane.relaying(request("HEAD", "/rest/items"))
    upstream.request()
    upstream.send(OK[:-2])
    client.answer("HEAD")
    upstream.send(b"[]")
    upstream.wait_end()
    check_next_request_takes_a_new_connection(lane, client)


def test_bytes_on_an_idle_connection_end_it(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(OK)
    client.answer()
    upstream.send(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n")
    upstream.wait_end()
    check_next_request_takes_a_new_connection(lane, client)


def test_an_answer_before_the_request_never_reaches_anybody(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    first, upstream = lane.relaying()
    upstream.request()
    waiting = lane.client()
    waiting.send(request("GET", "/rest/second"))
    wait_until(lambda: lane.gateway.pool.queued_exchanges, "the second request to queue")
    upstream.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
    assert first.answer().body == b"[]"
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.send(answer(b"own"))
    assert waiting.answer().body == b"own"
