"""More requests than upstream connections: a fair queue with a bound and a deadline."""

import threading

from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK, UpstreamEnd, answer

from app.events import RequestRejected


def queue_behind(lane: Lane, count: int) -> tuple[Client, UpstreamEnd, list[Client]]:
    """One request under way on the only connection, and `count` others behind it, in order."""
    client, upstream = lane.relaying(request("GET", "/rest/0"))
    upstream.request()
    waiting = []
    for number in range(1, count + 1):
        waiting.append(lane.client())
        waiting[-1].send(request("GET", f"/rest/{number}"))
        wait_until(lambda: lane.gateway.pool.queued_exchanges == len(waiting), "the request to queue")
    return client, upstream, waiting


def test_requests_wait_their_turn_in_order(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    client, upstream, waiting = queue_behind(lane, 5)
    upstream.send(answer(b"/0"))
    for number in range(1, 6):
        assert upstream.request().head.target == b"/%d" % number
        upstream.send(answer(b"/%d" % number))
    assert [each.answer().body for each in (client, *waiting)] == [b"/%d" % number for number in range(6)]
    assert lane.upstream.nobody_knocks


def test_a_full_queue_is_503_at_once(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1, upstream_queue=2)
    queue_behind(lane, 2)
    late = lane.client()
    late.send(request("GET", "/rest/late"))
    got = late.answer()
    assert (got.status, got.head.closes) == (503, False)
    assert int(got.head.value(b"Retry-After")) >= 1
    assert lane.gateway.wait_event(RequestRejected).code == "GW303"


def test_waiting_too_long_is_503(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1, upstream_queue_seconds=0.1)
    client, upstream, (waiting,) = queue_behind(lane, 1)
    got = waiting.answer()
    assert got.status == 503
    assert got.head.value(b"Retry-After")
    upstream.send(OK)
    assert client.answer().status == 200
    waiting.send(request("GET", "/rest/again"))
    assert upstream.request().head.target == b"/again"
    upstream.send(OK)
    assert waiting.answer().status == 200


def test_a_connection_that_breaks_makes_room_for_the_next(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    client, upstream, (waiting,) = queue_behind(lane, 1)
    upstream.close()
    assert client.answer().status == 502
    fresh = lane.upstream.accept()
    assert fresh.request().head.target == b"/1"
    fresh.send(OK)
    assert waiting.answer().status == 200


def test_a_connection_that_is_not_kept_makes_room_for_the_next(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    client, upstream, (waiting,) = queue_behind(lane, 1)
    upstream.send(answer(fields=("Connection: close",)))
    assert client.answer().status == 200
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.send(OK)
    assert waiting.answer().status == 200


def test_a_client_that_breaks_off_makes_room_for_the_next(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    client, upstream, (waiting,) = queue_behind(lane, 1)
    client.reset()
    upstream.wait_end()
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.send(OK)
    assert waiting.answer().status == 200


def test_bodies_of_waiting_requests_are_kept_in_bounds_and_arrive_whole(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    client, upstream, _ = queue_behind(lane, 0)
    waiting = lane.client()
    waiting.send(request("POST", "/rest/queued", body=b"x" * 60_000))
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 1, "the upload to queue")
    upstream.send(OK)
    client.answer()
    assert upstream.request().body == b"x" * 60_000
    upstream.send(OK)
    assert waiting.answer("POST").status == 200


def test_a_large_upload_that_waits_is_held_back_and_arrives_whole(lane_with: LaneWith) -> None:
    lane = lane_with(upstream_connections=1)
    client, upstream, _ = queue_behind(lane, 0)
    waiting = lane.client()
    body = b"0123456789" * 800_000
    sender = threading.Thread(
        target=waiting.sock.sendall, args=(request("POST", "/rest/queued", body=body),), daemon=True
    )
    sender.start()
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 1, "the upload to queue")
    sender.join(0.2)
    assert sender.is_alive()  # held back: nobody keeps eight megabytes
    upstream.send(OK)
    client.answer()
    assert upstream.request().body == body
    upstream.send(OK)
    assert waiting.answer("POST").status == 200


def test_one_client_cannot_take_the_queue_from_the_others(lane_with: LaneWith) -> None:
    """A pipeline stands in the queue with its first request only."""
    lane = lane_with(upstream_connections=1)
    client, upstream, _ = queue_behind(lane, 0)
    greedy, modest = lane.client(), lane.client()
    greedy.send(request("GET", "/rest/greedy") * 10)
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 1, "the pipeline to queue")
    modest.send(request("GET", "/rest/modest"))
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 2, "the other request to queue")
    upstream.send(OK)
    order = []
    for _ in range(3):
        order.append(upstream.request().head.target)
        upstream.send(OK)
    assert order == [b"/greedy", b"/modest", b"/greedy"]
    assert client.answer().status == modest.answer().status == 200
