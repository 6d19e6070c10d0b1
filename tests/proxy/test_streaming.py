"""Bodies are handed on as they come: the other side holds its next piece until this one was seen."""

import pytest
from harness.relay.client import CHUNKED, request
from harness.relay.lane import Lane
from harness.relay.upstream import OK


def test_an_answers_head_arrives_before_its_body(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n")
    reader = client.answering()
    assert reader.head().status == 200
    upstream.send(b"late")
    assert reader.whole().body == b"late"


@pytest.mark.parametrize(
    ("framing", "pieces", "end"),
    [
        ("Content-Length: 8", [b"1st,", b"2nd,"], b""),
        ("Transfer-Encoding: chunked", [b"4\r\n1st,\r\n", b"4\r\n2nd,\r\n"], b"0\r\n\r\n"),
        ("X-Framing: none", [b"1st,", b"2nd,"], None),
    ],
    ids=["sized", "chunked", "until close"],
)
def test_the_client_reads_the_first_piece_before_the_second_is_sent(
    lane: Lane, framing: str, pieces: list[bytes], end: bytes | None
) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + pieces[0])
    reader = client.answering()
    assert reader.body_of(4) == b"1st,"
    upstream.send(pieces[1])
    assert reader.body_of(8) == b"1st,2nd,"
    if end is None:
        upstream.close()
    else:
        upstream.send(end)
    assert reader.whole().body == b"1st,2nd,"


def test_the_upstream_reads_the_first_piece_before_the_second_is_sent(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 8"]) + b"1st,")
    assert upstream.head().length == 8
    assert upstream.take(4) == b"1st,"
    client.send(b"2nd,")
    assert upstream.take(4) == b"2nd,"
    upstream.send(OK)
    assert client.answer().status == 200


def test_the_upstream_reads_the_head_before_the_body_is_sent(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", ["Content-Length: 4"]))
    assert upstream.head().length == 4
    client.send(b"late")
    assert upstream.take(4) == b"late"
    upstream.send(OK)
    assert client.answer().status == 200


def test_the_upstream_reads_the_first_chunk_before_the_second_is_sent(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + b"4\r\n1st,\r\n")
    assert upstream.head().is_chunked
    assert upstream.chunk() == b"1st,"
    client.send(b"4\r\n2nd,\r\n")
    assert upstream.chunk() == b"2nd,"
    client.send(b"0\r\n\r\n")
    assert upstream.chunk() == b""
    upstream.send(OK)
    assert client.answer().status == 200


def test_part_of_a_chunk_does_not_wait_for_the_rest(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + b"8\r\n1st,")
    upstream.head()
    assert upstream.chunk() == b"1st,"
    client.send(b"2nd,\r\n0\r\n\r\n")
    assert upstream.chunk() == b"2nd,"
    upstream.send(OK)
    assert client.answer().status == 200


def test_both_bodies_stream_at_the_same_time(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/rpc/echo", [CHUNKED]) + b"2\r\na0\r\n")
    upstream.head()
    upstream.chunk()
    upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nb0\r\n")
    reader = client.answering()
    for number in range(1, 5):
        assert len(reader.body_of(2 * number)) == 2 * number
        client.send(b"2\r\na%d\r\n" % number)
        assert upstream.chunk() == b"a%d" % number
        upstream.send(b"2\r\nb%d\r\n" % number)
    client.send(b"0\r\n\r\n")
    assert upstream.chunk() == b""
    upstream.send(b"0\r\n\r\n")
    assert reader.whole().body == b"b0b1b2b3b4"
