"""A kept connection that the upstream closed in the meantime: what may be sent again is, once."""

from collections.abc import Callable

import pytest
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK, UpstreamEnd, answer
from harness.relay.wire import Wire

HANG_UP = pytest.mark.parametrize("hang_up", [Wire.close, Wire.reset], ids=["close", "reset"])
HangUp = Callable[[UpstreamEnd], None]


def kept(lane: Lane) -> tuple[Client, UpstreamEnd]:
    """A client and an upstream connection that have carried a request before."""
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(OK)
    client.answer()
    return client, upstream


@HANG_UP
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE"])
def test_an_idempotent_request_is_repeated_on_a_new_connection(
    lane: Lane, hang_up: HangUp, method: str
) -> None:
    client, stale = kept(lane)
    client.send(request(method, "/rest/items?again"))
    first = stale.request()
    hang_up(stale)
    fresh = lane.upstream.accept()
    assert fresh.request().raw == first.raw
    fresh.send(answer(b"[]" if method != "HEAD" else b""))
    assert client.answer(method).status == 200


def test_used_connections_make_room_for_the_new_one(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=2)
    at_work, ends = zip(*(lane.relaying() for _ in range(2)), strict=True)
    for end in ends:
        end.request()
    for client, end in zip(at_work, ends, strict=True):
        end.send(OK)
        assert client.answer().status == 200
    repeated, other = at_work
    repeated.send(request("GET", "/rest/repeated"))
    assert ends[1].request().head.target == b"/repeated"  # last in, first out
    other.send(request("GET", "/rest/other"))
    assert ends[0].request().head.target == b"/other"
    waiting = lane.client()
    waiting.send(request("GET", "/rest/waiting"))
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 1, "the third to wait")
    ends[1].close()
    fresh = lane.upstream.accept()
    assert fresh.request().head.target == b"/waiting"
    fresh.send(OK)
    again = lane.upstream.accept()
    assert again.request().head.target == b"/repeated"
    again.send(OK)
    ends[0].send(OK)
    assert {client.answer().status for client in (repeated, other, waiting)} == {200}


@HANG_UP
@pytest.mark.parametrize("method", ["POST", "PATCH", "PROPFIND"])
def test_a_request_that_may_have_been_executed_is_not_repeated(
    lane: Lane, hang_up: HangUp, method: str
) -> None:
    client, stale = kept(lane)
    client.send(request(method, "/rest/items"))
    stale.request()
    hang_up(stale)
    assert client.answer(method).status == 502
    assert lane.upstream.nobody_knocks


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_request_whose_body_is_gone_is_not_repeated(lane: Lane, method: str) -> None:
    client, stale = kept(lane)
    client.send(request(method, "/rest/items", body=b"{}"))
    stale.request()
    stale.close()
    assert client.answer(method).status == 502
    assert lane.upstream.nobody_knocks


def test_it_is_repeated_once_only(lane: Lane) -> None:
    client, stale = kept(lane)
    client.send(request("GET", "/rest/items"))
    stale.request()
    stale.close()
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.close()
    assert client.answer().status == 502
    assert lane.upstream.nobody_knocks


def test_it_is_not_repeated_on_another_kept_connection(lane: Lane) -> None:
    first_client, first = lane.relaying()
    second_client, second = lane.relaying()
    first.request()
    second.request()
    for client, upstream in ((first_client, first), (second_client, second)):
        upstream.send(OK)
        client.answer()
    first_client.send(request("GET", "/rest/items"))
    second.request()
    second.close()
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.send(OK)
    assert first_client.answer().status == 200
    assert first.is_quiet


@pytest.mark.parametrize("part", [b"H", OK[:20], b"HTTP/1.1 103 Early Hints\r\n\r\n"])
def test_it_is_not_repeated_once_a_byte_of_the_answer_came(lane: Lane, part: bytes) -> None:
    client, stale = kept(lane)
    client.send(request("GET", "/rest/items"))
    stale.request()
    stale.send(part)
    stale.half_close()
    assert client.answer().status == 502
    assert lane.upstream.nobody_knocks


def test_the_repeated_answer_reaches_its_own_client(lane: Lane) -> None:
    client, stale = kept(lane)
    client.send(request("GET", "/rest/one") + request("GET", "/rest/two"))
    stale.request()
    stale.close()
    fresh = lane.upstream.accept()
    for name in (b"/one", b"/two"):
        assert fresh.request().head.target == name
        fresh.send(answer(name))
    assert [client.answer().body, client.answer().body] == [b"/one", b"/two"]


def test_the_client_that_leaves_meanwhile_is_not_repeated(lane: Lane) -> None:
    client, stale = kept(lane)
    client.send(request("DELETE", "/rest/items"))
    stale.request()
    client.reset()
    assert stale.ends_silently()
    assert lane.upstream.nobody_knocks
