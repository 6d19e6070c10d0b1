"""Expect: 100-continue: the body is asked for once the request is admitted, and not before."""

from harness.relay.client import CHUNKED, chunked, request
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK

from app.events import RequestRejected

EXPECT = "Expect: 100-continue"


def test_the_body_is_asked_for_and_the_upstream_not_troubled_before_it_comes(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", [EXPECT, "Content-Length: 4"]))
    reader = client.answering("POST")
    assert reader.interim().status == 100
    assert lane.upstream.nobody_knocks
    client.send(b"body")
    upstream = lane.upstream.accept()
    received = upstream.request()
    assert received.body == b"body"
    assert b"expect" not in received.head.names
    upstream.send(OK)
    got = reader.whole()
    assert (got.status, len(got.interim)) == (200, 1)


def test_a_chunked_body_is_asked_for(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", [EXPECT, CHUNKED]))
    reader = client.answering("POST")
    assert reader.interim().status == 100
    client.send(chunked(b"bo", b"dy"))
    upstream = lane.upstream.accept()
    assert upstream.request().body == b"body"
    upstream.send(OK)
    assert reader.whole().status == 200


def test_an_empty_chunked_body_is_relayed(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", [EXPECT, CHUNKED]))
    reader = client.answering("POST")
    reader.interim()
    client.send(b"0\r\n\r\n")
    upstream = lane.upstream.accept()
    assert upstream.request().body == b""
    upstream.send(OK)
    assert reader.whole().status == 200


def test_a_body_that_comes_unasked_is_relayed(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [EXPECT], body=b"body"))
    assert upstream.request().body == b"body"
    upstream.send(OK)
    assert client.answer("POST").status == 200


def test_without_a_body_nothing_is_waited_for(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", [EXPECT]))
    upstream.request()
    upstream.send(OK)
    assert client.answer().status == 200


def test_a_refused_request_is_never_asked_for_its_body(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", [EXPECT, "Content-Length: 4"], token=None))
    got = client.answer("POST")
    assert (got.status, got.interim) == (401, ())


def test_a_body_over_the_limit_is_never_asked_for(lane_with: LaneWith) -> None:
    lane = lane_with(body_bytes=1000)
    client = lane.client()
    client.send(request("POST", "/rest/items", [EXPECT, "Content-Length: 1001"]))
    got = client.answer("POST")
    assert (got.status, got.interim) == (413, ())
    assert lane.upstream.nobody_knocks


def test_other_expectations_are_refused(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rest/items", ["Expect: 200-ok"], body=b"{}"))
    assert client.answer("POST").status == 417
    assert lane.upstream.nobody_knocks


def test_an_old_client_is_not_asked(lane: Lane) -> None:
    client, upstream = lane.relaying(
        request("POST", "/rest/items", [EXPECT, "Content-Length: 4"], version="1.0")
    )
    assert upstream.head().length == 4
    assert client.is_quiet
    client.send(b"body")
    upstream.take(4)
    upstream.send(OK)
    assert client.answer("POST").interim == ()


def test_a_body_that_never_comes_is_408_and_took_no_connection(lane_with: LaneWith) -> None:
    lane = lane_with(body_stall_seconds=0.2)
    client = lane.client()
    client.send(request("POST", "/rest/items", [EXPECT, "Content-Length: 1000"]))
    got = client.answer("POST")
    assert (got.status, [head.status for head in got.interim]) == (408, [100])
    assert lane.upstream.nobody_knocks
    assert lane.gateway.wait_event(RequestRejected).code == "GW109"
    client.wait_end()


def test_a_queued_request_is_asked_when_it_is_its_turn(lane: Lane) -> None:
    client, upstream = lane.relaying(
        request("GET", "/rest/items") + request("POST", "/rest/items", [EXPECT, "Content-Length: 4"])
    )
    upstream.request()
    assert client.is_quiet
    upstream.send(OK)
    first = client.answer()
    assert (first.status, first.interim) == (200, ())
    reader = client.answering("POST")
    assert reader.interim().status == 100
    client.send(b"body")
    assert upstream.request().body == b"body"
    upstream.send(OK)
    assert reader.whole().status == 200


def test_the_next_request_is_served_after_an_asked_body(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        for _ in range(3):
            client.send(request("POST", "/rest/items", [EXPECT, "Content-Length: 4"]))
            reader = client.answering("POST")
            reader.interim()
            client.send(b"body")
            assert reader.whole().status == 200
    assert [received.body for received in lane.upstream.requests] == [b"body"] * 3
