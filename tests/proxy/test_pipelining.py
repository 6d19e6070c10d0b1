"""Several requests in one go: one at a time to the upstream, answered in the order they came."""

import threading

from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK, echoing_target

from app.events import RequestRelayed

RELAYED = request("GET", "/rest/items?n=1")
REFUSED = request("GET", "/rest/items", token=None)
PREFLIGHT = request(
    "OPTIONS",
    "/rest/items",
    ["Origin: https://app.test", "Access-Control-Request-Method: POST"],
    token=None,
)


def test_the_second_request_waits_for_the_first_answer(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/a") + request("GET", "/rest/b"))
    assert upstream.request().head.target == b"/a"
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n1")
    assert client.answering().body_of(1) == b"1"
    assert upstream.is_quiet
    assert lane.upstream.nobody_knocks


def test_answers_come_in_order(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving(echoing_target):
        client.send(b"".join(request("GET", f"/rest/items/{n}") for n in range(20)))
        assert [client.answer().body for _ in range(20)] == [b"/items/%d" % n for n in range(20)]
    assert len(lane.upstream.ends) == 1


def test_refusals_keep_their_place_among_relayed_answers(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(RELAYED + REFUSED + RELAYED + REFUSED + REFUSED + RELAYED)
        assert [client.answer().status for _ in range(6)] == [200, 401, 200, 401, 401, 200]
    assert len(lane.upstream.requests) == 3


def test_a_refusal_waits_for_the_answer_before_it(lane: Lane) -> None:
    client, upstream = lane.relaying(RELAYED + REFUSED)
    upstream.request()
    assert client.is_quiet
    upstream.send(OK)
    assert [client.answer().status, client.answer().status] == [200, 401]


def test_preflights_keep_their_place(lane_with: LaneWith) -> None:
    lane = lane_with(trusted_origins="https://app.test")
    client = lane.client()
    with lane.upstream.serving():
        client.send(PREFLIGHT + RELAYED + PREFLIGHT + REFUSED + RELAYED)
        statuses = [client.answer(m).status for m in ("OPTIONS", "GET", "OPTIONS", "GET", "GET")]
    assert statuses == [204, 200, 204, 401, 200]


def test_bodies_stay_with_their_requests(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(b"".join(request("POST", f"/rest/items/{n}", body=b"body %d" % n) for n in range(10)))
        assert [client.answer().status for _ in range(10)] == [200] * 10
    got = [(received.head.target, received.body) for received in lane.upstream.requests]
    assert got == [(b"/items/%d" % n, b"body %d" % n) for n in range(10)]


def test_a_refused_body_is_skipped_and_the_next_request_served(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(request("POST", "/rest/items", token=None, body=RELAYED) + RELAYED)
        assert [client.answer().status, client.answer().status] == [401, 200]
    assert [received.head.target for received in lane.upstream.requests] == [b"/items?n=1"]


def test_nothing_is_served_after_a_request_that_asked_to_close(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(request("GET", "/rest/items", ["Connection: close"]) + RELAYED + RELAYED)
        assert client.answer().head.closes
        assert client.ends_silently()
    assert len(lane.upstream.requests) == 1


def test_a_pipeline_behind_a_body_that_comes_slowly(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 6"]) + b"abc")
    upstream.head()
    upstream.take(3)
    client.send(b"def" + REFUSED + RELAYED)
    assert upstream.take(3) == b"def"
    upstream.send(OK)
    assert [client.answer().status, client.answer().status] == [200, 401]
    assert upstream.request().head.target == b"/items?n=1"
    upstream.send(OK)
    assert client.answer().status == 200


def test_a_large_upload_behind_a_slow_answer_arrives_whole(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    body = b"0123456789" * 200_000
    stream = request("POST", "/rest/large", body=body) + RELAYED
    sender = threading.Thread(target=client.sock.sendall, args=(stream,), daemon=True)
    sender.start()
    sender.join(0.1)
    upstream.send(OK)
    assert client.answer().status == 200
    assert upstream.request().body == body
    upstream.send(OK)
    assert client.answer("POST").status == 200
    assert upstream.request().head.target == b"/items?n=1"
    upstream.send(OK)
    assert client.answer().status == 200


def test_a_pipeline_that_arrives_in_many_pieces(lane: Lane) -> None:
    client = lane.client()
    stream = RELAYED + REFUSED + request("POST", "/rest/items", body=b"x" * 50) + RELAYED
    with lane.upstream.serving():
        for start in range(0, len(stream), 7):
            client.send(stream[start : start + 7])
        assert [client.answer().status for _ in range(4)] == [200, 401, 200, 200]


def test_a_client_that_left_while_its_requests_queue_is_forgotten_with_the_next_answer(lane: Lane) -> None:
    client, upstream = lane.relaying(RELAYED * 5)
    upstream.request()
    client.reset()
    upstream.send(OK)
    wait_until(lambda: not lane.gateway.gateway.connections, "the client to be forgotten")
    assert len(lane.gateway.events_of(RequestRelayed)) <= 2


def test_a_full_pipeline_serves_what_it_took_and_closes(lane_with: LaneWith) -> None:
    lane = lane_with(pipelined_requests=4)
    client = lane.client()
    with lane.upstream.serving():
        client.send(RELAYED * 200)
        got = [client.answer()]
        while not got[-1].head.closes:
            got.append(client.answer())
        client.wait_end()
    assert {answer.status for answer in got} == {200}
    assert 4 <= len(got) <= 200
    assert len(lane.upstream.requests) == len(got)
