"""An upstream that is down, hangs up, lies about its framing or says what nobody understands."""

import json
import time
from collections.abc import Callable

import pytest

from app.events import RelayAborted, RequestRefused
from proxy.conftest import LaneWith
from proxy.harness.answers import Answer, AnswerCut
from proxy.harness.client import Client, request
from proxy.harness.deadlines import wait_until
from proxy.harness.lane import Lane
from proxy.harness.upstream import OK, Upstream, UpstreamEnd, answer
from proxy.harness.wire import Ending, Wire

HANG_UP = pytest.mark.parametrize("hang_up", [Wire.close, Wire.reset], ids=["close", "reset"])
HangUp = Callable[[UpstreamEnd], None]
SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"
CHUNKED_PART = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


def check_refusal(got: Answer, status: int, code: str) -> None:
    """The gateway's own answer: four keys, and not a word of what the upstream said."""
    assert got.status == status
    assert json.loads(got.body).keys() == {"code", "message", "details", "hint"}
    assert json.loads(got.body)["code"] == code
    assert got.head.value(b"Cache-Control") == b"no-store"
    assert got.head.value(b"X-Content-Type-Options") == b"nosniff"
    assert got.head.value(b"X-Request-Id")


def check_next_request_takes_a_new_connection(lane: Lane, client: Client) -> None:
    client.send(request("POST", "/rest/next"))
    fresh = lane.upstream.accept()
    assert fresh.request().head.target == b"/next"
    fresh.send(OK)
    assert client.answer().status == 200


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
    wait_until(lambda: any(c.answered for c in lane.gateway.pool._open), "the first bytes to be read")
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


@pytest.mark.parametrize(
    "said",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"<html>hello</html>\r\n\r\n",
        b"HTTP/1.1 9999 Far\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 600 Odd\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 99 Low\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 000 None\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 20 Short\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nsecret",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nsecret\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;\nx\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\x00b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX A: secret\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A : secret\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\rX-B: b\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        b"HTTP/1.1 200 OK\r\n: secret\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n X-A: secret\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
    ],
)  # fmt: skip
def test_what_nobody_understands_is_502_and_ends_that_connection(lane: Lane, said: bytes) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(said)
    got = client.answer()
    check_refusal(got, 502, "GW301")
    assert b"secret" not in got.head.raw + got.body
    upstream.wait_end()
    check_next_request_takes_a_new_connection(lane, client)


def test_a_folded_header_is_unfolded_or_refused(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nX-A: one\r\n two\r\nContent-Length: 0\r\n\r\n")
    got = client.answer()
    assert got.status == 502 or got.head.value(b"X-A") == b"one two"


def test_a_head_that_never_ends_is_502(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    try:
        upstream.send(b"HTTP/1.1 200 OK\r\nX-A: ")
        for _ in range(400):
            upstream.send(b"a" * 1024)
    except OSError:
        pass
    check_refusal(client.answer(), 502, "GW301")


def test_a_broken_chunk_after_the_head_was_sent_cuts_the_answer(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(CHUNKED_PART)
    reader = client.answering()
    reader.body_of(3)
    upstream.send(b"zz\r\nsecret\r\n")
    with pytest.raises(AnswerCut) as cut:
        reader.whole()
    assert cut.value.body == b"abc"
    upstream.wait_end()


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
    wait_until(lambda: lane.gateway.pool.waiting_exchanges, "the second request to queue")
    upstream.send(OK + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged")
    assert first.answer().body == b"[]"
    fresh = lane.upstream.accept()
    fresh.request()
    fresh.send(answer(b"own"))
    assert waiting.answer().body == b"own"


def test_a_refusal_names_its_reason_in_the_event_only(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"garbage secret\r\n\r\n")
    got = client.answer()
    event = lane.gateway.wait_event(RequestRefused)
    assert (event.status, event.code) == (502, "GW301")
    assert event.request_id == got.head.value(b"X-Request-Id")
    assert "secret" not in event.reason


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
