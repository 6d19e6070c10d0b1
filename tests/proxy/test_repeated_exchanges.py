"""A request whose head was known: its exchange is like any other."""

from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.repeats import FIRST, warmed
from harness.relay.upstream import OK

from app.events import RequestRejected


def test_a_repeat_that_asks_to_close_is_closed(lane: Lane) -> None:
    data = request("GET", "/rest/items", ["Connection: close"])
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(data)
        assert client.answer().head.closes
        assert client.ends_silently()


def test_a_repeated_head_request_has_no_body(lane: Lane) -> None:
    data = request("HEAD", "/rest/items")
    client, upstream = lane.relaying(data)
    for _ in range(3):
        upstream.request()
        upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
        assert client.answer("HEAD").status == 200
        client.send(data)


def test_a_repeat_is_sent_again_when_its_connection_was_stale(lane: Lane) -> None:
    client, upstream = lane.relaying(FIRST)
    upstream.request()
    upstream.send(OK)
    client.answer()
    client.send(FIRST)
    sent = upstream.request()
    upstream.close()
    fresh = lane.upstream.accept()
    assert fresh.request().raw == sent.raw
    fresh.send(OK)
    assert client.answer().status == 200


def test_a_repeat_whose_client_leaves_lets_the_upstream_go(lane: Lane) -> None:
    client, upstream = lane.relaying(FIRST)
    upstream.request()
    upstream.send(OK)
    client.answer()
    client.send(FIRST)
    upstream.request()
    client.close()
    assert upstream.ends_silently()


def test_a_repeat_of_a_half_closed_client_is_answered(lane: Lane) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(FIRST)
        client.half_close()
        assert client.answer().status == 200
        client.wait_end()


def test_a_repeat_has_its_deadlines(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_first_byte_seconds=0.2, idle_seconds=0.2)
    client, upstream = lane.relaying(FIRST)
    upstream.request()
    upstream.send(OK)
    client.answer()
    client.send(FIRST)
    upstream.request()
    assert client.answer().status == 504
    assert client.ends_silently()


def test_a_repeat_to_an_upstream_that_is_gone_is_502(lane_with: LaneWith) -> None:
    lane = lane_with()
    client, upstream = lane.relaying(FIRST)
    upstream.request()
    upstream.send(OK)
    client.answer()
    lane.upstream.close()
    wait_until(lambda: not lane.gateway.pool.open_connections, "the connection to be gone")
    for _ in range(2):
        client.send(FIRST)
        assert client.answer().status == 502
    told = lane.gateway.events_of(RequestRejected)
    assert [event.path for event in told] == [b"/rest/items"] * 2


def test_a_trusted_origin_may_read_a_repeat(lane_with: LaneWith) -> None:
    lane = lane_with(trusted_origins="https://app.test")
    data = request("GET", "/rest/items", ["Origin: https://app.test"])
    with lane.upstream.serving():
        client = warmed(lane, data)
        client.send(data)
        assert client.answer().head.value(b"Access-Control-Allow-Origin") == b"https://app.test"
