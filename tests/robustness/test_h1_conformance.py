"""HTTP/1.1 as published lists of checks probe it, with an upstream that tells what came of each request."""

from contextlib import suppress

import pytest
from harness.relay.answers import Answer, AnswerReader
from harness.relay.client import Client
from harness.relay.lane import Lane
from harness.relay.upstream import OK, UpstreamEnd, answer

from robustness.h1_bodies import CHUNKS, CODINGS, LENGTHS, VALID
from robustness.h1_heads import FIELDS, HOSTS, IGNORED, OTHER_PROTOCOLS, REQUEST_LINES, TARGETS, UPGRADES
from robustness.h1_requests import CHUNKED, Answered, Refused

H2_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"
NEXT = b"GET /open/next HTTP/1.1\r\nHost: h\r\n\r\n"
REFUSED = {
    "request line": REQUEST_LINES,
    "other protocol": OTHER_PROTOCOLS,
    "Host": HOSTS,
    "field": FIELDS,
    "Content-Length": LENGTHS,
    "Transfer-Encoding": CODINGS,
    "chunk": CHUNKS,
    "upgrade": UPGRADES,
}
refused = {f"{group}: {case.name}": case for group, cases in REFUSED.items() for case in cases}
in_pieces = {name: case for name, case in refused.items() if len(case.sent) <= 6_000}


def send(client: Client, data: bytes) -> None:
    """Send what may be refused half way."""
    with suppress(BrokenPipeError, ConnectionResetError):
        client.send(data)


def only_answer(client: Client) -> Answer:
    """The one answer before the connection ends."""
    got = client.answer()
    client.wait_end()
    assert client.unread == b"", "something came after the refusal"
    return got


def name_target(end: UpstreamEnd) -> None:
    """Answer each request with its target, so that nobody's answer is taken for another's."""
    while (received := end.next_request()) is not None:
        end.send(answer(received.head.target))


@pytest.mark.parametrize("case", refused.values(), ids=refused)
def test_it_is_refused_and_nothing_behind_it_is_served(lane: Lane, case: Refused) -> None:
    client = lane.client()
    with lane.upstream.serving():
        send(client, case.sent + NEXT)
        got = only_answer(client)
    assert got.status in case.statuses
    assert got.head.closes
    assert not lane.upstream.requests
    assert b"next" not in b"".join(bytes(end.received) for end in lane.upstream.ends)


@pytest.mark.parametrize("case", in_pieces.values(), ids=in_pieces)
def test_it_is_refused_in_small_pieces_too(lane: Lane, case: Refused) -> None:
    client = lane.client()
    with lane.upstream.serving():
        for start in range(0, len(case.sent), 7):
            send(client, case.sent[start : start + 7])
            lane.gateway.take_turns(1)
        send(client, NEXT)
        got = only_answer(client)
    assert got.status in case.statuses
    assert not lane.upstream.requests


@pytest.mark.parametrize("case", TARGETS, ids=lambda case: case.name)
def test_what_asks_for_something_else_is_refused_and_the_connection_stays_in_step(
    lane: Lane, case: Refused
) -> None:
    client = lane.client()
    with lane.upstream.serving(name_target):
        client.send(case.sent + NEXT)
        got = client.answer()
        if not got.head.closes:
            assert client.answer().body == b"/open/next"
        else:
            assert client.ends_silently()
    assert got.status in case.statuses
    assert len(lane.upstream.requests) == (0 if got.head.closes else 1)


@pytest.mark.parametrize("pieces", [False, True], ids=["at once", "byte by byte"])
@pytest.mark.parametrize("behind", [b"", NEXT, CHUNKED + b"5\r\nhello\r\n0\r\n\r\n", H2_PREFACE])
@pytest.mark.parametrize("case", IGNORED, ids=lambda case: case.name)
def test_an_upgrade_is_ignored_and_so_is_what_follows_it(
    lane: Lane,
    case: Answered,
    behind: bytes,
    pieces: bool,  # noqa: FBT001
) -> None:
    client = lane.client()
    sent = case.sent + behind
    with lane.upstream.serving(name_target):
        for start in range(0, len(sent), 1 if pieces else len(sent)):
            send(client, sent[start : start + 1] if pieces else sent)
        got = only_answer(client)
    assert (got.status, got.body, got.head.closes) == (200, b"/open/", True)
    assert got.interim == ()
    (received,) = lane.upstream.requests
    assert received.body == b""
    assert not {b"upgrade", b"http2-settings", b"connection"} & received.head.names
    assert all(bytes(end.received) == received.raw for end in lane.upstream.ends)


@pytest.mark.parametrize("case", VALID, ids=lambda case: case.name)
def test_it_is_answered_and_so_is_the_next(lane: Lane, case: Answered) -> None:
    client = lane.client()
    with lane.upstream.serving(name_target):
        client.send(case.sent + NEXT)
        first, second = client.answer(), client.answer()
    target = case.sent.split()[1]
    assert (first.status, first.body) == (200, target)
    assert second.body == b"/open/next"
    assert [received.body for received in lane.upstream.requests] == [case.body, b""]


@pytest.mark.parametrize("case", [case for case in VALID if len(case.sent) < 300], ids=lambda case: case.name)
def test_it_is_answered_byte_by_byte_and_not_before_its_end(lane: Lane, case: Answered) -> None:
    client = lane.client()
    with lane.upstream.serving(name_target):
        for byte in case.sent[:-1]:
            client.send(bytes((byte,)))
        lane.gateway.take_turns(5)
        assert client.is_quiet
        client.send(case.sent[-1:])
        assert client.answer().status == 200
    assert [received.body for received in lane.upstream.requests] == [case.body]


def test_every_beginning_of_a_request_is_waited_with(lane: Lane) -> None:
    whole = NEXT
    clients = [lane.client() for _ in range(1, len(whole))]
    with lane.upstream.serving(name_target):
        for length, client in enumerate(clients, 1):
            client.send(whole[:length])
        lane.gateway.take_turns(5)
        assert all(client.is_quiet for client in clients)
        assert not lane.upstream.requests
        for length, client in enumerate(clients, 1):
            client.send(whole[length:])
        assert {client.answer().body for client in clients} == {b"/open/next"}


@pytest.mark.parametrize(
    "begun",
    [
        b"GET /open/ HTTP/1.1\r\nHost: h",
        b"POST /open/ HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nhello",
        b"POST /open/ HTTP/1.1\r\nHost: h\r\nContent-Length: 999999999\r\n\r\n",
        CHUNKED + b"5\r\nhello\r\n",
        CHUNKED + b"5\r\nhello\r\n0\r\n",
    ],
    ids=["a head", "a sized body", "a large body of which nothing came", "chunks", "the last chunk"],
)
def test_what_a_client_left_unfinished_is_never_a_whole_request(lane: Lane, begun: bytes) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(begun)
        client.half_close()
        client.wait_end()
    assert b" 200 " not in client.received
    assert not lane.upstream.requests


def test_interim_answers_are_for_those_who_expect_them(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(b"POST /open/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        reader = AnswerReader(client, "POST")
        assert reader.interim().status == 100
        client.send(b"hello")
        assert reader.whole().status == 200
        client.send(b"GET /open/ HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\n\r\n")
        got = client.answer()
    assert got.status == 200
    assert [received.body for received in lane.upstream.requests] == [b"hello", b""]


@pytest.mark.parametrize("version", ["1.1", "1.0"])
def test_a_client_that_asks_to_close_is_closed(lane: Lane, version: str) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(f"GET /open/ HTTP/{version}\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
        assert client.answer().head.closes
        assert client.ends_silently()


def test_http_1_0_closes_and_needs_no_host(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(b"GET /open/ HTTP/1.0\r\n\r\n")
        assert client.answer().status == 200
        assert client.ends_silently()


@pytest.mark.parametrize("body", [b"", b"Content-Length: 5\r\n\r\nhello"], ids=["alone", "with a body"])
def test_head_has_no_body_and_leaves_nothing_behind(lane: Lane, body: bytes) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(b"HEAD /open/ HTTP/1.1\r\nHost: h\r\n" + (body or b"\r\n") + NEXT)
        got = client.answer("HEAD")
        assert (got.head.value(b"content-length"), got.body) == (b"2", b"")
        assert client.answer().body == b"[]"


def test_refusals_say_where_they_end(lane: Lane) -> None:
    client = lane.client()
    client.send(b"get /open/ HTTP/1.1\r\nHost: h\r\n\r\n")
    got = client.answer()
    assert int(got.head.value(b"content-length")) == len(got.body) > 0


def test_a_hundred_requests_in_one_go_are_answered_in_order(lane: Lane) -> None:
    wanted = [b"/open/%d" % number for number in range(100)]
    sent = b"".join(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target for target in wanted)
    got: list[bytes] = []
    with lane.upstream.serving(name_target):
        while len(got) < len(wanted):  # a full pipeline is served and closed: the client asks the rest anew
            client = lane.client()
            send(client, sent)
            answers = read_to_close(client, len(wanted) - len(got))
            got += answers
            sent = b"".join(b"GET %b HTTP/1.1\r\nHost: h\r\n\r\n" % target for target in wanted[len(got) :])
    assert got == wanted
    assert [received.head.target for received in lane.upstream.requests] == wanted


def read_to_close(client: Client, most: int) -> list[bytes]:
    bodies: list[bytes] = []
    while len(bodies) < most:
        got = client.answer()
        bodies.append(got.body)
        if got.head.closes:
            client.wait_end()
            break
    return bodies


def test_a_request_behind_a_refused_one_in_the_same_packet_is_not_taken_for_its_body(lane: Lane) -> None:
    """CL.0: a server that ignores the length of what it refuses would serve the body as a request."""
    client = lane.client()
    with lane.upstream.serving(name_target):
        client.send(
            b"POST /open//x HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % len(NEXT) + NEXT + NEXT
        )
        assert client.answer("POST").status == 400
        assert client.answer().body == b"/open/next"
    assert len(lane.upstream.requests) == 1
    assert OK not in client.received
