"""PostgREST gets no more requests at once than it has connections for; the others wait here."""

from sys import maxsize

import pytest
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.gateway import settings_for
from harness.relay.lane import Lane
from harness.relay.upstream import OK, UpstreamEnd, answer

from app.events import InternalFailure, RequestRejected
from app.wiring.pools import requests_at_once

BEGUN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n12"


def at_work(lane: Lane, count: int) -> list[tuple[Client, UpstreamEnd]]:
    """So many requests that the upstream has, and has not answered."""
    pairs = [lane.relaying(request("GET", "/rest/at-work")) for _ in range(count)]
    for _, upstream in pairs:
        upstream.request()
    return pairs


def held(lane: Lane, *paths: str) -> list[Client]:
    """Requests that wait for their turn, in this order."""
    clients = []
    for path in paths:
        clients.append(lane.client())
        clients[-1].send(request("GET", f"/rest/{path}"))
        wait_until(lambda: lane.gateway.pool.queued_exchanges == len(clients), "the request to wait")
    return clients


def test_a_turn_ends_when_the_answer_begins_and_the_first_that_waits_goes_on(
    lane_with: LaneWith,
) -> None:
    lane = lane_with(postgrest_pool=1)
    pairs = at_work(lane, 2)
    waiting = held(lane, "first", "second")
    assert lane.upstream.nobody_knocks
    pairs[0][1].send(BEGUN)  # and somebody reads the rest of it slowly
    first = lane.upstream.accept()
    assert first.request().head.target == b"/first"
    first.send(answer(b"1"))
    assert first.request().head.target == b"/second"
    first.send(answer(b"2"))
    assert [client.answer().body for client in waiting] == [b"1", b"2"]
    pairs[0][1].send(b"34")
    assert pairs[0][0].answer().body == b"1234"


def test_an_upload_takes_no_turn(lane_with: LaneWith) -> None:
    lane = lane_with(postgrest_pool=1)
    uploads = [lane.relaying(request("POST", "/rest/items", ["Content-Length: 4"]) + b"12") for _ in range(3)]
    (reader, end), _ = at_work(lane, 2)
    end.send(OK)
    assert reader.answer().status == 200
    client, upstream = uploads[0]
    upstream.head()
    client.send(b"34")
    assert upstream.take(4) == b"1234"
    upstream.send(OK)
    assert client.answer("POST").status == 200


@pytest.mark.parametrize("end", ["client leaves", "client resets", "upstream hangs up"])
def test_a_request_that_comes_to_nothing_gives_its_turn_back(lane_with: LaneWith, end: str) -> None:
    lane = lane_with(postgrest_pool=1)
    (client, upstream), _ = at_work(lane, 2)
    (waiting,) = held(lane, "waiting")
    if end == "client leaves":
        client.close()
    elif end == "client resets":
        client.reset()
    else:
        upstream.close()
    fresh = lane.upstream.accept()
    assert fresh.request().head.target == b"/waiting"
    fresh.send(OK)
    assert waiting.answer().status == 200


def test_whoever_leaves_before_their_turn_is_passed_over(lane_with: LaneWith) -> None:
    lane = lane_with(postgrest_pool=1)
    (_, upstream), _ = at_work(lane, 2)
    impatient, patient = held(lane, "impatient", "patient")
    impatient.reset()
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 1, "the client to be gone")
    upstream.send(OK)
    assert upstream.request().head.target == b"/patient"
    upstream.send(OK)
    assert patient.answer().status == 200


def test_those_that_wait_are_bounded_and_have_a_deadline(lane_with: LaneWith) -> None:
    lane = lane_with(postgrest_pool=1, upstream_queue=2, upstream_queue_seconds=0.5)
    at_work(lane, 2)
    waiting = held(lane, "first", "second")
    assert lane.client().ask("GET", "/rest/late").status == 503
    assert [client.answer().status for client in waiting] == [503, 503]
    reasons = [event.reason for event in lane.gateway.events_of(RequestRejected)]
    assert reasons == ["queue full", "queued too long", "queued too long"]


def test_a_request_whose_body_comes_later_has_its_turn_from_then_on(lane_with: LaneWith) -> None:
    lane = lane_with(postgrest_pool=1)
    for _ in range(2):
        client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 2"]))
        upstream.head()
        client.send(b"12")
        assert upstream.take(2) == b"12"
    held(lane, "waiting")
    assert lane.upstream.nobody_knocks


def test_however_many_wait_they_go_on_one_after_the_other(lane_with: LaneWith) -> None:
    """Heads whose bodies never come take no turn: each lets the next one go, and there may be hundreds."""
    lane = lane_with(postgrest_pool=400)
    pairs = at_work(lane, 250)
    for client, upstream in pairs:
        upstream.send(OK)
        assert client.answer().status == 200
    lane.gateway.pool.slots = 1
    pairs[0][0].send(request("GET", "/rest/at-work"))
    wait_until(lambda: lane.gateway.pool._in_flight, "the request to be at work")
    for client, _ in pairs[1:]:
        client.send(request("POST", "/rest/items", ["Content-Length: 2"]))
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 249, "the uploads to wait")
    pairs[0][0].reset()
    wait_until(lambda: lane.gateway.pool.queued_exchanges == 0, "the uploads to go on")
    assert not lane.gateway.events_of(InternalFailure)


def test_a_pool_that_was_not_named_has_no_turns(lane_with: LaneWith) -> None:
    at_work(lane_with(), 50)


@pytest.mark.parametrize(
    ("pool", "workers", "each"), [(10, 1, 13), (10, 2, 7), (1, 8, 1), (None, 1, maxsize)]
)
def test_the_workers_share_the_turns(pool: int | None, workers: int, each: int) -> None:
    settings = settings_for("http://127.0.0.1:9", postgrest_pool=pool, workers=workers)
    assert requests_at_once(settings) == each
