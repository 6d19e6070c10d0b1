"""An upstream that says what nobody understands."""

from contextlib import suppress

import pytest
from harness.relay.answers import AnswerCut
from harness.relay.checks import check_next_request_takes_a_new_connection, check_refusal
from harness.relay.lane import Lane

from app.events import RequestRejected

CHUNKED_PART = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


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
        b"HTTP/0.9 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"ICE/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 1000 Far\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nX-A: a\x7fb\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: a\x1bb\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX\x01A: ab\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret",
        b"HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nsecret",
        b"HTTP/1.1 103 Early\r\n\r\n" * 21 + b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 100 + b"Content-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"a" * 65_536 + b"\r\nContent-Length: 0\r\n\r\n",
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


@pytest.mark.parametrize(
    "begin",
    [
        b"",
        b"HTTP/1.1 200 ",
        b"HTTP/1.1 200 OK\r\nX-A: ",
        b"HTTP/1.1 200 OK\r\nX",
        b"HTTP/1.1 103 Early\r\nX: ",
    ],
)
@pytest.mark.parametrize("more", [b"a" * 1024, b"a: b\r\n" * 150])
def test_a_head_that_never_ends_is_502(lane: Lane, begin: bytes, more: bytes) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    with suppress(OSError):
        upstream.send(begin)
        for _ in range(400):
            upstream.send(more)
    check_refusal(client.answer(), 502, "GW301")
    upstream.wait_end()


def test_a_head_in_two_reads_before_a_large_body_is_no_large_head(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\nX-A: ")
    lane.gateway.take_turns(3)
    upstream.send(b"b\r\n\r\n" + b"x" * 200_000)
    got = client.answer()
    assert (got.status, len(got.body)) == (200, 200_000)


@pytest.mark.parametrize(
    "more",
    [b"1;" + b"e" * 2_000 + b"\r\na\r\n", b"0\r\n" + b"X-A: b\r\n" * 200],
    ids=["extensions", "trailers"],
)
def test_framing_without_end_cuts_the_answer(lane: Lane, more: bytes) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(CHUNKED_PART)
    reader = client.answering()
    reader.body_of(3)
    with suppress(OSError):
        for _ in range(400):
            upstream.send(more)
            more = more.removeprefix(b"0\r\n")
    with pytest.raises(AnswerCut):
        reader.whole()
    upstream.wait_end()


def test_chunks_of_one_byte_are_fine(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(CHUNKED_PART + b"1\r\na\r\n" * 50_000 + b"0\r\n\r\n")
    assert len(client.answer().body) == 50_003


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


def test_a_refusal_names_its_reason_in_the_event_only(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"garbage secret\r\n\r\n")
    got = client.answer()
    event = lane.gateway.wait_event(RequestRejected)
    assert (event.status, event.code) == (502, "GW301")
    assert event.request_id == got.head.value(b"X-Request-Id")
    assert "secret" not in event.reason
