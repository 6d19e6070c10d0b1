"""A client that has closed its sending side still gets its answers (RFC 9112 section 9.6)."""

from harness.relay.client import request
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK, answer
from harness.relay.wire import Ending


def test_its_answer_is_delivered_and_the_connection_closed(lane: Lane) -> None:
    client, upstream = lane.relaying()
    client.half_close()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    reader = client.answering()
    assert reader.head().status == 200
    upstream.send(b"late")
    assert reader.whole().body == b"late"
    assert client.wait_end() is Ending.CLOSED


def test_its_upload_is_answered(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", body=b"x" * 300_000))
    client.half_close()
    assert len(upstream.request().body) == 300_000
    upstream.send(OK)
    assert client.answer().status == 200


def test_its_pipeline_is_answered_to_the_end(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(
            request("GET", "/rest/a") + request("GET", "/rest/b", token=None) + request("GET", "/rest/c")
        )
        client.half_close()
        assert [client.answer().status for _ in range(3)] == [200, 401, 200]
        assert client.wait_end() is Ending.CLOSED


def test_a_large_answer_that_it_reads_late_is_whole(lane: Lane) -> None:
    client = lane.client(receive_buffer=4096)
    lane.relaying(client=client)
    upstream = lane.upstream.ends[-1]
    upstream.request()
    client.half_close()
    upstream.send(answer(b"x" * 400_000))
    assert len(client.answer().body) == 400_000


def test_a_refusal_is_delivered(lane: Lane) -> None:
    client = lane.client()
    client.send(request("GET", "/rest/items", token=None))
    client.half_close()
    assert client.answer().status == 401
    assert client.wait_end() is Ending.CLOSED


def test_a_queued_request_is_answered(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    first, upstream = lane.relaying()
    upstream.request()
    second = lane.client()
    second.send(request("GET", "/rest/items"))
    second.half_close()
    upstream.send(OK)
    first.answer()
    upstream.request()
    upstream.send(OK)
    assert second.answer().status == 200


def test_an_old_client_is_not_probed(lane: Lane) -> None:
    """A client of HTTP/1.0 knows no interim answers (RFC 9110 section 15.2)."""
    client, upstream = lane.relaying(request("GET", "/rest/items", version="1.0"))
    client.half_close()
    upstream.request()
    upstream.send(OK)
    got = client.answer()
    assert (got.status, got.interim) == (200, ())


def test_a_client_whose_answer_has_begun_is_not_probed(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhe")
    reader = client.answering()
    reader.body_of(2)
    client.half_close()
    upstream.send(b"re")
    assert reader.whole().body == b"here"


def test_a_client_whose_turn_has_not_come_gets_answers_in_order(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/a") + request("GET", "/rest/b"))
    client.half_close()
    for name in (b"/a", b"/b"):
        assert upstream.request().head.target == name
        upstream.send(answer(name))
    assert [client.answer().body, client.answer().body] == [b"/a", b"/b"]
    client.wait_end()
