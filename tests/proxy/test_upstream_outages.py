"""An upstream that is down, hangs up, or comes back."""

import time
from collections.abc import Callable

import pytest
from harness.relay.answers import AnswerCut
from harness.relay.checks import check_next_request_takes_a_new_connection, check_refusal
from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK, Upstream, UpstreamEnd, answer
from harness.relay.wire import Ending, Wire

from app.events import RelayAborted, RequestRejected

HANG_UP = pytest.mark.parametrize("hang_up", [Wire.close, Wire.reset], ids=["close", "reset"])
HangUp = Callable[[UpstreamEnd], None]
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
CHUNKED_PART = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


def test_down_is_502_at_once(lane_with: LaneWith) -> None:
    lane = lane_with()
    lane.upstream.close()
    client = lane.client()
    began = time.monotonic()
    client.send(request("GET", "/rest/items"))
    got = client.answer()
    assert time.monotonic() - began < 1
    check_refusal(got, 502, "GW300")
    assert got.head.value(b"Retry-After")
    assert str(lane.upstream.port).encode() not in got.body
    assert not got.head.closes
    refused = lane.gateway.wait_event(RequestRejected)
    assert refused.reason == f"nothing listens at 127.0.0.1:{lane.upstream.port}"


def test_a_name_that_cannot_be_looked_up_is_502_after_one_try(
    lane_with: LaneWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    lane = lane_with()
    dialled = []

    async def dial(_: object, _seconds: float) -> None:
        dialled.append(1)
        raise UnicodeError("label empty or too long")  # from the encoding of names, and no OSError

    monkeypatch.setattr(lane.gateway.pool, "_dial", dial)
    check_refusal(lane.client().ask("GET", "/rest/items"), 502, "GW300")
    assert len(dialled) == 1


def test_down_with_a_body_on_its_way_is_502_and_the_client_stays_in_step(lane_with: LaneWith) -> None:
    lane = lane_with()
    lane.upstream.close()
    client = lane.client()
    client.send(request("POST", "/rest/items", body=b"x" * 100) * 2)
    assert [client.answer().status, client.answer().status] == [502, 502]


@HANG_UP
def test_hanging_up_before_an_answer_is_502(lane: Lane, hang_up: HangUp) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    hang_up(upstream)
    check_refusal(client.answer(), 502, "GW300")
    assert lane.upstream.nobody_knocks
    check_next_request_takes_a_new_connection(lane, client)


@HANG_UP
@pytest.mark.parametrize("part", [b"H", b"HTTP/1.1 200 OK\r\n", SIZED[:30]])
def test_hanging_up_within_the_head_is_502(lane: Lane, hang_up: HangUp, part: bytes) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(part)
    wait_until(lambda: any(c.responded for c in lane.gateway.pool._open), "the first bytes to be read")
    hang_up(upstream)
    check_refusal(client.answer(), 502, "GW301")
    check_next_request_takes_a_new_connection(lane, client)


@HANG_UP
@pytest.mark.parametrize("part", [SIZED, CHUNKED_PART, CHUNKED_PART + b"5\r\nde", CHUNKED_PART + b"0\r\n"])
def test_an_answer_that_is_cut_short_never_ends_well(lane: Lane, hang_up: HangUp, part: bytes) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(part)
    reader = client.answering()
    reader.body_of(3)
    hang_up(upstream)
    with pytest.raises(AnswerCut):
        reader.whole()
    assert lane.gateway.wait_event(RelayAborted).route == "rest"


def test_a_reset_is_not_the_end_of_an_answer_without_framing(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(b"abc", sized=False))
    reader = client.answering()
    reader.body_of(3)
    upstream.reset()
    with pytest.raises(AnswerCut):
        reader.whole()


@pytest.mark.parametrize("part", [CHUNKED_PART, answer(b"abc", sized=False)], ids=["chunked", "until close"])
def test_an_old_client_learns_by_a_reset_that_its_answer_was_cut(lane: Lane, part: bytes) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", version="1.0"))
    upstream.request()
    upstream.send(part)
    reader = client.answering()
    reader.body_of(3)
    upstream.reset()
    with pytest.raises(AnswerCut) as cut:
        reader.whole()
    assert cut.value.ending is Ending.RESET


def test_an_upstream_that_comes_back_serves_again(lane_with: LaneWith) -> None:
    lane = lane_with()
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(OK)
    client.answer()
    lane.upstream.close()
    client.send(request("GET", "/rest/items"))
    assert client.answer().status == 502
    lane.upstream = Upstream(port=lane.upstream.port)
    check_next_request_takes_a_new_connection(lane, client)
    lane.upstream.close()


def test_an_upstream_that_closes_its_sending_side_before_it_answers_is_502(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 10"]) + b"abc")
    upstream.head()
    upstream.half_close()
    check_refusal(client.answer(), 502, "GW300")


def test_an_upstream_that_answers_and_closes_its_sending_side_is_heard(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 10"]) + b"abc")
    upstream.head()
    upstream.send(answer(b"too much", status="413 Content Too Large"))
    upstream.half_close()
    got = client.answer()
    assert (got.status, got.body) == (413, b"too much")
