"""An ordinary request and its answer, across and back."""

import pytest
from harness.relay.client import CHUNKED, chunked, request
from harness.relay.lane import Lane
from harness.relay.tokens import VALID
from harness.relay.upstream import OK, answer

from app.events import RequestRelayed

BODY = b'{"name":"\xc3\xa9\x00\r\n\r\n"}'


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"])
def test_every_method_crosses_with_its_answer(lane: Lane, method: str) -> None:
    client, upstream = lane.relaying(request(method, "/rest/items"))
    head = upstream.request().head
    upstream.send(answer(b'[{"id":1}]', status="200 OK"))
    got = client.answer(method)
    assert (head.method, head.target) == (method.encode(), b"/items")
    assert (got.status, got.body) == (200, b'[{"id":1}]')


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
def test_a_sized_body_crosses_byte_for_byte(lane: Lane, method: str) -> None:
    client, upstream = lane.relaying(request(method, "/rest/items", body=BODY))
    received = upstream.request()
    upstream.send(OK)
    client.answer()
    assert received.head.value(b"content-length") == b"%d" % len(BODY)
    assert received.body == BODY


def test_a_chunked_body_crosses_chunked(lane: Lane) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + chunked(b"one", b"", BODY))
    received = upstream.request()
    upstream.send(OK)
    client.answer()
    assert received.head.value(b"transfer-encoding") == b"chunked"
    assert b"content-length" not in received.head.names
    assert received.body == b"one"


def test_many_chunks_are_one_body(lane: Lane) -> None:
    pieces = [b"%d;" % number for number in range(200)]
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED]) + chunked(*pieces))
    assert upstream.request().body == b"".join(pieces)
    upstream.send(OK)
    assert client.answer().status == 200


@pytest.mark.parametrize("fields", [[], ["Content-Length: 0"]])
def test_a_request_without_a_body_gains_no_framing(lane: Lane, fields: list[str]) -> None:
    client, upstream = lane.relaying(request("POST", "/rest/items", fields))
    head = upstream.request().head
    upstream.send(OK)
    client.answer()
    assert b"transfer-encoding" not in head.names
    assert head.values(b"content-length") == ([b"0"] if fields else [])


@pytest.mark.parametrize(
    ("sent", "received"),
    [
        (b"/rest/t?select=a,b&x=in.(%22a%2Cb%22)&e=&q=%ff", b"/t?select=a,b&x=in.(%22a%2Cb%22)&e=&q=%ff"),
        (b"/rest/t?n=a+b&n=2&", b"/t?n=a+b&n=2&"),
        (b"/rest/items?", b"/items?"),
        (b"/rest/items??a=/../b//c", b"/items??a=/../b//c"),
        (b"/rest/caf%C3%A9", b"/caf%C3%A9"),
        (b"/rest/a~b!$&'()*+,;=:@", b"/a~b!$&'()*+,;=:@"),
        (b"/rest/items/", b"/items/"),
        (b"/rest/", b"/"),
        (b"/rpc/add?a=1&b=2", b"/rpc/add?a=1&b=2"),
        (b"/rest/rpc/add", b"/rpc/add"),
    ],
)  # fmt: skip
def test_path_and_query_cross_byte_for_byte(lane: Lane, sent: bytes, received: bytes) -> None:
    client, upstream = lane.relaying(request("GET", sent.decode("latin-1")))
    assert upstream.request().head.target == received
    upstream.send(OK)
    assert client.answer().status == 200


@pytest.mark.parametrize(
    "status",
    ["200 OK", "201 Created", "206 Partial Content", "300 Multiple Choices", "302 Found", "400 Bad Request",
     "401 Unauthorized", "404 Not Found", "406 Not Acceptable", "409 Conflict", "416 Range Not Satisfiable",
     "500 Internal Server Error", "503 Service Unavailable", "299 Odd", "599 Odder"],
)  # fmt: skip
def test_every_status_crosses(lane: Lane, status: str) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(b"{}", status=status))
    got = client.answer()
    assert (got.status, got.body) == (int(status[:3]), b"{}")


def test_the_answers_headers_cross_with_their_order_and_duplicates(lane: Lane) -> None:
    fields = (
        "Date: Thu, 01 Jan 2026 00:00:00 GMT", "Server-Timing: total;dur=1", "Content-Range: 0-1/*",
        "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2", "Content-Location: items", "X-Odd:  two  spaces ",
        "Preference-Applied: count=exact",
    )  # fmt: skip
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(fields=fields))
    got = [b"%b: %b" % field for field in client.answer().head.fields]
    assert got[: len(fields)] == [
        field.replace(":  two  spaces ", ": two  spaces").encode() for field in fields
    ]


def test_the_answer_carries_the_id_that_the_upstream_saw(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", ["X-Request-Id: chosen-by-the-client"]))
    told = upstream.request().head.value(b"x-request-id")
    upstream.send(answer(fields=()))
    assert client.answer().head.value(b"X-Request-Id") == told != b"chosen-by-the-client"


def test_a_chunked_answer_crosses_chunked(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"one", b"two")[:-5])
    reader = client.answering()
    reader.body_of(6)
    upstream.send(b"5\r\nthree\r\n0\r\n\r\n")
    got = reader.whole()
    assert got.head.value(b"Transfer-Encoding") == b"chunked"
    assert got.body == b"onetwothree"


def test_an_empty_chunked_answer_is_whole(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert client.answer().body == b""


def test_an_answer_that_ends_with_its_connection_is_whole(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(b"to the end", sized=False))
    upstream.close()
    got = client.answer()
    assert got.body == b"to the end"
    assert got.head.value(b"Transfer-Encoding") == b"chunked"


def test_an_empty_answer_that_ends_with_its_connection_is_whole(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(b"", sized=False))
    upstream.close()
    assert client.answer().body == b""


@pytest.mark.parametrize("framing", ["Content-Length: 1234", "Transfer-Encoding: chunked", "X-None: 1"])
def test_head_is_answered_without_a_body(lane: Lane, framing: str) -> None:
    client, upstream = lane.relaying(request("HEAD", "/rest/items"))
    upstream.request()
    upstream.send(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
    got = client.answer("HEAD")
    assert got.head.values(b"Content-Length") == ([b"1234"] if "1234" in framing else [])
    client.send(request("GET", "/rest/items"))
    upstream.request()
    upstream.send(OK)
    assert client.answer().body == b"[]"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_an_answer_without_a_body_leaves_both_connections_in_step(lane: Lane, status: str) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(f"HTTP/1.1 {status}\r\nETag: x\r\n\r\n".encode())
    got = client.answer()
    assert (got.status, got.body) == (int(status[:3]), b"")
    assert not {b"content-length", b"transfer-encoding"} & got.head.names
    client.send(request("GET", "/rest/items"))
    upstream.request()
    upstream.send(OK)
    assert client.answer().body == b"[]"


def test_304_keeps_the_length_it_speaks_of(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n")
    assert client.answer().head.value(b"Content-Length") == b"99"


def test_a_relayed_request_is_one_event(lane: Lane) -> None:
    client, upstream = lane.relaying(request("PATCH", "/rest/items?id=eq.7", body=b"{}"))
    upstream.request()
    upstream.send(OK)
    got = client.answer()
    event = lane.gateway.wait_event(RequestRelayed)
    assert lane.gateway.events == [event]
    assert (event.route, event.method, event.status) == ("rest", b"PATCH", 200)
    assert (event.role, event.subject) == ("web", "u1")
    assert event.response_bytes == len(client.received)
    assert event.request_id == got.head.value(b"X-Request-Id")
    assert 0 < event.seconds < 60


def test_the_bearer_is_what_was_in_the_cookie(lane: Lane) -> None:
    client, upstream = lane.relaying()
    assert upstream.request().head.value(b"authorization") == f"Bearer {VALID}".encode()
    upstream.send(OK)
    client.answer()
