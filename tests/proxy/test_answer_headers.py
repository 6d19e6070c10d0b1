"""Which of the upstream's headers the client sees, and what the gateway says to other origins."""

import pytest
from harness.relay.answers import Answer
from harness.relay.client import request
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK, answer

FRIEND = "https://app.test"
PROTECTION = {b"x-content-type-options", b"referrer-policy", b"content-security-policy"}
OURS = {b"content-length", b"x-request-id", b"cache-control", b"vary"} | PROTECTION
PREFLIGHT = ["Access-Control-Request-Method: PATCH", "Access-Control-Request-Headers: content-type, prefer"]


def answered(lane: Lane, *fields: str, data: bytes | None = None) -> Answer:
    client, upstream = lane.relaying(data)
    upstream.request()
    upstream.send(answer(fields=fields))
    return client.answer()


@pytest.mark.parametrize(
    "field",
    ["Keep-Alive: timeout=9", "Proxy-Connection: keep-alive", "Trailer: X-A", "TE: x", "Upgrade: h2c",
     "Proxy-Authenticate: Basic", "Proxy-Authentication-Info: x"],
)  # fmt: skip
def test_hop_by_hop_headers_end_here(lane: Lane, field: str) -> None:
    got = answered(lane, field)
    assert got.head.names == OURS


@pytest.mark.parametrize("connection", ["X-Secret", "keep-alive, x-secret", "close,X-SECRET"])
def test_headers_named_in_connection_end_here(lane: Lane, connection: str) -> None:
    got = answered(lane, f"Connection: {connection}", "X-Secret: 1", "Keep-Alive: timeout=9")
    assert got.head.names == OURS


def test_connection_cannot_name_the_framing_away(lane: Lane) -> None:
    got = answered(lane, "Connection: content-length, transfer-encoding")
    assert (got.head.value(b"Content-Length"), got.body) == (b"2", b"[]")


def test_trailers_end_here(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n")
    upstream.send(b"2\r\n[]\r\n0\r\nX-Sum: 1\r\n\r\n")
    assert client.answer().body == b"[]"  # the reader refuses an answer with trailers
    client.send(request("GET", "/rest/items"))
    upstream.request()
    upstream.send(OK)
    assert client.answer().status == 200


def test_a_signed_in_answer_is_kept_out_of_shared_caches(lane: Lane) -> None:
    got = answered(lane)
    assert got.head.value(b"Cache-Control") == b"private"
    assert got.head.value(b"Vary") == b"Cookie"


def test_what_sql_says_about_caching_is_left_alone(lane: Lane) -> None:
    got = answered(lane, "Cache-Control: public, max-age=60", "Vary: Accept")
    assert got.head.values(b"Cache-Control") == [b"public, max-age=60"]
    assert got.head.values(b"Vary") == [b"Accept"]


def test_a_strangers_answer_is_left_alone(lane: Lane) -> None:
    got = answered(lane, data=request("GET", "/rest/", token=None))
    assert got.head.names == {b"content-length", b"x-request-id"} | PROTECTION


def test_an_encoded_body_is_not_touched(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/rest/items", ["Accept-Encoding: gzip"]))
    upstream.request()
    upstream.send(answer(b"not gzip at all", fields=("Content-Encoding: gzip",)))
    got = client.answer()
    assert (got.body, got.head.value(b"Content-Encoding")) == (b"not gzip at all", b"gzip")


def test_a_redirect_is_handed_on_and_not_followed(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(b"", status="302 Found", fields=("Location: http://127.0.0.1:1/",)))
    got = client.answer()
    assert (got.status, got.head.value(b"Location")) == (302, b"http://127.0.0.1:1/")
    assert upstream.is_quiet
    assert lane.upstream.nobody_knocks


def test_a_cookie_that_the_upstream_sets_goes_to_its_own_client_only(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(fields=("Set-Cookie: mine=1; Path=/",)))
    assert client.answer().head.value(b"Set-Cookie") == b"mine=1; Path=/"
    other = lane.client()
    other.send(request("GET", "/rest/items"))
    assert b"cookie" not in upstream.request().head.names
    upstream.send(OK)
    assert b"set-cookie" not in other.answer().head.names


def test_the_upstreams_word_about_origins_is_not_handed_on(lane: Lane) -> None:
    got = answered(
        lane,
        "Access-Control-Allow-Origin: *",
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Expose-Headers: X",
        data=request("GET", "/rest/items", ["Origin: https://evil.test"]),
    )
    assert not any(name.startswith(b"access-control") for name in got.head.names)


def test_a_trusted_origin_may_read_the_answer(lane_with: LaneWith) -> None:
    lane = lane_with(trusted_origins=FRIEND)
    fields = ("Access-Control-Allow-Origin: *", "Vary: Accept")
    got = answered(lane, *fields, data=request("GET", "/rest/items", [f"Origin: {FRIEND}"]))
    assert got.head.value(b"Access-Control-Allow-Origin") == FRIEND.encode()
    assert got.head.value(b"Access-Control-Allow-Credentials") == b"true"
    assert sorted(got.head.values(b"Vary")) == [b"Accept", b"Cookie", b"Origin"]


@pytest.mark.parametrize(
    "origin",
    ["https://evil.test", "https://app.test.evil.test", "https://xapp.test", "http://app.test", "null"],
)
def test_another_origin_may_not(lane_with: LaneWith, origin: str) -> None:
    lane = lane_with(trusted_origins=FRIEND)
    got = answered(lane, data=request("GET", "/rest/items", [f"Origin: {origin}"]))
    assert b"access-control-allow-origin" not in got.head.names


def test_a_trusted_origin_may_read_a_refusal(lane_with: LaneWith) -> None:
    lane = lane_with(trusted_origins=FRIEND)
    client = lane.client()
    client.send(request("GET", "/rest/items", [f"Origin: {FRIEND}"], token=None))
    got = client.answer()
    assert (got.status, got.head.value(b"Access-Control-Allow-Origin")) == (401, FRIEND.encode())


@pytest.mark.parametrize("path", ["/rest/items", "/rpc/login", "/rpc/anything", "/nowhere"])
def test_a_preflight_of_a_trusted_origin_is_answered_here(lane_with: LaneWith, path: str) -> None:
    lane = lane_with(trusted_origins=FRIEND)
    client = lane.client()
    client.send(request("OPTIONS", path, [f"Origin: {FRIEND}", *PREFLIGHT], token=None))
    got = client.answer("OPTIONS")
    assert (got.status, got.body) == (204, b"")
    assert got.head.value(b"Access-Control-Allow-Origin") == FRIEND.encode()
    assert b"PATCH" in got.head.value(b"Access-Control-Allow-Methods")
    assert got.head.value(b"Access-Control-Allow-Headers") == b"content-type, prefer"
    assert not got.head.closes
    assert lane.upstream.nobody_knocks


def test_a_preflight_of_another_origin_is_refused(lane_with: LaneWith) -> None:
    lane = lane_with(trusted_origins=FRIEND)
    client = lane.client()
    client.send(request("OPTIONS", "/rest/items", ["Origin: https://evil.test", *PREFLIGHT], token=None))
    got = client.answer("OPTIONS")
    assert got.status == 403
    assert not any(name.startswith(b"access-control") for name in got.head.names)
    assert lane.upstream.nobody_knocks
