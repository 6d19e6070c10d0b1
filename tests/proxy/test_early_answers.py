"""Answers that come while the request's body still does: they arrive, and the rest is never a request."""

from contextlib import suppress

import pytest
from harness.relay.client import CHUNKED, Client, request
from harness.relay.lane import Lane
from harness.relay.upstream import OK, answer
from harness.relay.wire import Ending

SMUGGLED = request("DELETE", "/rest/smuggled")
TOO_MUCH = answer(b"too much", status="413 Content Too Large")


def push(client: Client, data: bytes) -> None:
    """Send what the other side may not want any more."""
    with suppress(OSError):
        client.sock.sendall(data)


@pytest.mark.parametrize("framing", ["Content-Length: 100000", CHUNKED])
def test_the_upstreams_early_answer_arrives_and_the_connections_end(lane: Lane, framing: str) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [framing]))
    upstream.head()
    upstream.send(TOO_MUCH)
    got = client.answer("POST")
    assert (got.status, got.body, got.head.closes) == (413, b"too much", True)
    push(client, SMUGGLED * 10)
    upstream.wait_end()
    client.wait_end()
    assert client.unread == b""
    assert b"smuggled" not in b"".join(bytes(end.received) for end in lane.upstream.ends)
    assert lane.upstream.nobody_knocks


def test_an_early_refusal_arrives_and_the_rest_is_never_a_request(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", ["Content-Length: 100000000"], token=None))
    got = client.answer("POST")
    assert (got.status, got.head.closes) == (401, True)
    push(client, SMUGGLED * 1000)
    client.wait_end()
    assert client.unread == b""
    assert lane.upstream.nobody_knocks


def test_the_client_sees_the_end_of_an_early_answer_at_once(lane: Lane) -> None:
    """Its own side stays open a while, so that the answer is not lost to a reset."""
    client = lane.client()
    client.send(request("POST", "/rest/items", ["Content-Length: 1000"], token=None))
    assert client.answer("POST").status == 401
    client.sock.settimeout(1)
    assert client.wait_end() is Ending.CLOSED
    client.send(b"x" * 100)
    client.send(b"x" * 100)


def test_a_refusal_is_readable_while_the_client_keeps_sending(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", ["Content-Length: 600000"], token=None) + b"x" * 300_000)
    push(client, b"x" * 300_000)
    assert client.answer("POST").status == 401


def test_a_client_that_never_stops_sending_is_cut_off(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", ["Content-Length: 10000000000"], token=None))
    sent = 0
    try:
        while sent < 256 << 20:
            sent += client.sock.send(b"x" * 1_000_000)
    except OSError:
        pass
    assert sent < 64 << 20


def test_a_large_early_answer_is_whole(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 1000"]) + b"x" * 10)
    upstream.head()
    upstream.send(answer(b"y" * 3_000_000, status="400 Bad Request"))
    got = client.answer("POST")
    assert (got.status, len(got.body)) == (400, 3_000_000)


def test_an_upstream_that_answered_early_is_not_lent_again(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 10"]) + b"abc")
    upstream.head()
    upstream.send(OK)
    client.answer("POST")
    other, fresh = lane.relaying()
    assert fresh is not upstream
    fresh.request()
    fresh.send(OK)
    assert other.answer().status == 200


def test_a_small_refused_body_costs_no_connection(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", token=None, body=b"x" * 1000))
    assert not client.answer("POST").head.closes
    with lane.upstream.serving():
        assert client.ask("GET", "/rest/items").status == 200
