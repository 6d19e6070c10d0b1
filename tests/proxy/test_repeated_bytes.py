"""Bytes that look like a head sent before, wherever they stand and however they are cut."""

from contextlib import suppress

import pytest
from harness.relay.client import CHUNKED, request
from harness.relay.lane import Lane
from harness.relay.repeats import FIRST, WARM, warmed, with_line
from harness.relay.upstream import OK, answer, echoing_target


@pytest.mark.parametrize("framing", ["sized", "chunked"])
def test_a_body_that_looks_like_the_head_is_a_body(lane: Lane, framing: str) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        if framing == "sized":
            client.send(request("POST", "/rest/items", [f"Content-Length: {len(FIRST)}"]))
            lane.gateway.take_turns(3)
            client.send(FIRST)
        else:
            client.send(request("POST", "/rest/items", [CHUNKED]))
            lane.gateway.take_turns(3)
            client.send(b"%x\r\n" % len(FIRST))
            lane.gateway.take_turns(3)
            client.send(FIRST)
            lane.gateway.take_turns(3)
            client.send(b"\r\n0\r\n\r\n")
        assert client.answer("POST").status == 200
        client.send(FIRST)
        assert client.answer().status == 200
    assert [(each.head.method, each.body) for each in lane.upstream.requests[WARM:]] == [
        (b"POST", FIRST),
        (b"GET", b""),
    ]


def test_a_refused_body_that_looks_like_the_head_is_never_a_request(lane: Lane) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(request("POST", "/rest/items", [f"Content-Length: {len(FIRST)}"], token=None))
        assert client.answer("POST").status == 401
        with suppress(OSError):
            client.send(FIRST)
        client.wait_end()
    assert len(lane.upstream.requests) == WARM


def test_a_header_that_looks_like_the_head_is_a_header(lane: Lane) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(b"GET /rest/other HTTP/1.1\r\nHost: gw.test\r\n")
        lane.gateway.take_turns(3)
        client.send(FIRST)
        assert client.answer().status == 400
    assert len(lane.upstream.requests) == WARM


@pytest.mark.parametrize("cut", [1, 4, 20, len(FIRST) // 2, len(FIRST) - 3, len(FIRST) - 1])
def test_a_repeat_in_two_pieces(lane: Lane, cut: int) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(FIRST[:cut])
        lane.gateway.take_turns(3)
        client.send(FIRST[cut:])
        assert client.answer().status == 200
        client.send(FIRST)
        assert client.answer().status == 200
    assert len(lane.upstream.requests) == WARM + 2


def test_repeats_in_one_read_keep_their_order(lane: Lane) -> None:
    stream = b"".join(with_line(f"GET /rest/{number} HTTP/1.1") for number in range(5))
    with lane.upstream.serving(echoing_target):
        client = warmed(lane)
        client.send(stream)
        assert [client.answer().body for _ in range(5)] == [b"/%d" % number for number in range(5)]


def test_a_repeat_behind_an_answer_that_is_not_there_yet_waits(lane: Lane) -> None:
    client, upstream = lane.relaying(FIRST)
    upstream.request()
    upstream.send(OK)
    client.answer()
    client.send(with_line("GET /rest/one HTTP/1.1"))
    assert upstream.request().head.target == b"/one"
    client.send(with_line("GET /rest/two HTTP/1.1"))
    lane.gateway.take_turns(3)
    assert upstream.is_quiet
    assert lane.upstream.nobody_knocks
    for name in (b"/one", b"/two"):
        upstream.send(answer(name))
        assert client.answer().body == name
        if name == b"/one":
            assert upstream.request().head.target == b"/two"


def test_a_blank_line_and_then_a_repeat(lane: Lane) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        for blank in (b"\r\n", b"\r\n\r\n"):
            client.send(blank)
            lane.gateway.take_turns(3)
            client.send(FIRST)
            assert client.answer().status == 200


def test_a_repeat_and_more_behind_it(lane: Lane) -> None:
    with lane.upstream.serving():
        client = warmed(lane)
        client.send(FIRST + b"GET /rest/tail HTT")
        assert client.answer().status == 200
        client.send(b"P/1.1\r\n" + FIRST[FIRST.index(b"\r\n") + 2 :])
        assert client.answer().status == 200
    assert [each.head.target for each in lane.upstream.requests[WARM:]] == [b"/items?a=1", b"/tail"]
