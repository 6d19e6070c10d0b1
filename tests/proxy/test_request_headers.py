"""Which of the client's headers the upstream sees, and which the gateway writes instead."""

import pytest
from harness.relay.client import CHUNKED, chunked, request
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.requests import RequestHead
from harness.relay.tokens import EXPIRED, OTHER_VALID, VALID
from harness.relay.upstream import OK

OURS = {
    b"host",
    b"via",
    b"x-forwarded-for",
    b"x-forwarded-proto",
    b"x-forwarded-host",
    b"x-request-id",
    b"authorization",
}


def head_of(lane: Lane, data: bytes) -> RequestHead:
    """What becomes of a request's head."""
    with lane.upstream.serving():
        client = lane.client()
        client.send(data)
        assert client.answer().status == 200
    return lane.upstream.requests[-1].head


def sent(lane: Lane, *fields: str, token: str | None = VALID) -> RequestHead:
    return head_of(lane, request("GET", "/rest/items", fields, token=token))


def test_nothing_is_added_but_the_gateways_own(lane: Lane) -> None:
    head = sent(lane)
    assert sorted(name for name, _ in head.fields) == sorted(OURS)


def test_end_to_end_headers_cross_with_their_duplicates_in_order(lane: Lane) -> None:
    fields = [
        "Accept: application/json", "Prefer: return=representation", "Prefer: count=exact", "Range: 0-9",
        "Range-Unit: items", "Accept-Profile: api", "Content-Profile: other", 'If-None-Match: "x"',
        'User-Agent: me/1.0 (odd; "thing")', "X-Empty:", "X-Latin: \xe9",
        "Accept-Encoding: gzip;q=0, br", "Origin: http://gw.test", "Sec-Fetch-Site: same-origin", "DNT: 1",
    ]  # fmt: skip
    head = sent(lane, *fields)
    for name in {field.partition(":")[0] for field in fields}:
        values = [field.partition(":")[2].strip() for field in fields if field.startswith(f"{name}:")]
        assert head.values(name.lower().encode()) == [value.encode("latin-1") for value in values]
    assert len(head.fields) == len(fields) + len(OURS)


def test_via_crosses_with_the_gateways_own_behind_it(lane: Lane) -> None:  # RFC 9110 section 7.6.3
    theirs = sent(lane, "Via: 1.0 fred, 1.1 p.example", "Via: 2 q")
    *before, own = theirs.values(b"via")
    assert before == [b"1.0 fred, 1.1 p.example", b"2 q"]
    assert own.startswith(b"1.1 postgate-")
    assert sent(lane).values(b"via") == [own]
    old = head_of(lane, request("GET", "/rest/items", version="1.0"))
    assert old.value(b"via") == own.replace(b"1.1", b"1.0")


@pytest.mark.parametrize(
    "field",
    ["Keep-Alive: timeout=9", "Proxy-Connection: keep-alive", "TE: trailers, gzip", "Trailer: X-A",
     "Proxy-Authorization: Basic eDp5", "Proxy-Authenticate: x", "HTTP2-Settings: AAMA", "Upgrade: h2c"],
)  # fmt: skip
def test_hop_by_hop_headers_end_here(lane: Lane, field: str) -> None:
    assert sent(lane, field).names == OURS


@pytest.mark.parametrize(
    "connection",
    ["X-Mine, X-Other", "x-mine,x-other", "keep-alive, X-MINE ,\tX-Other", "close, x-mine, x-other"],
)
def test_headers_named_in_connection_end_here(lane: Lane, connection: str) -> None:
    assert sent(lane, "X-Mine: 1", "X-Other: 2", f"Connection: {connection}").names == OURS


def test_several_connection_headers_are_one_list(lane: Lane) -> None:
    head = sent(lane, "Connection: ", "X-Mine: 1", "Connection: x-mine", "Connection: x-other", "X-Other: 2")
    assert head.names == OURS


@pytest.mark.parametrize("name", sorted(OURS))
def test_connection_cannot_name_the_gateways_own_headers_away(lane: Lane, name: bytes) -> None:
    assert sent(lane, f"Connection: close, {name.decode()}").names == OURS


def test_connection_cannot_name_the_framing_away(lane: Lane) -> None:
    fields = ["Connection: content-length, transfer-encoding, host, content-type", "Content-Type: a/b"]
    sized = head_of(lane, request("POST", "/rest/items", fields, body=b"{}"))
    assert sized.value(b"content-length") == b"2"
    in_chunks = head_of(lane, request("POST", "/rest/items", [*fields, CHUNKED]) + chunked(b"{}"))
    assert in_chunks.value(b"transfer-encoding") == b"chunked"


@pytest.mark.parametrize(
    "field",
    [
        "Forwarded: for=6.6.6.6", "X-Forwarded-For: 6.6.6.6", "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.test", "X-Forwarded-Port: 443", "X-Forwarded-Prefix: /rpc/login",
        "X-Forwarded-Uri: /rpc/login", "X-Forwarded-User: admin", "X-Real-IP: 6.6.6.6",
        "X-Client-IP: 1.1.1.1", "X-Request-Id: mine", "X-Original-URL: /rpc/login",
        "X-Rewrite-URL: /rpc/login",
        "X-HTTP-Method-Override: DELETE", "X-HTTP-Method: DELETE", "X-Method-Override: DELETE",
        "X-User: admin", "X-Role: postgres", "Remote-User: admin", "X-Auth-Request-User: admin",
        "X-WebAuth-User: admin", "X-Remote-User: admin",
    ],
)  # fmt: skip
def test_claims_that_only_the_gateway_may_make_end_here(lane: Lane, field: str) -> None:
    head = sent(lane, field)
    assert sorted(name for name, _ in head.fields) == sorted(OURS)
    assert field.partition(": ")[2].encode() not in [value for _, value in head.fields]


@pytest.mark.parametrize(
    "field",
    ["X_Forwarded_For: 127.0.0.1", "X_Real_IP: 127.0.0.1", "authorization_: x", "Content_Length: 0",
     "Transfer_Encoding: chunked", "_: 1", "x-a_b: 1"],
)  # fmt: skip
def test_names_with_an_underscore_end_here(lane: Lane, field: str) -> None:
    assert sent(lane, field).names == OURS


def test_the_gateway_tells_who_asked(lane: Lane) -> None:
    head = sent(lane)
    assert head.value(b"x-forwarded-for") == b"127.0.0.1"
    assert head.value(b"x-forwarded-proto") == b"http"
    assert head.value(b"x-forwarded-host") == b"gw.test"
    assert head.value(b"host") == b"127.0.0.1:%d" % lane.upstream.port


def test_a_trusted_proxy_is_believed(lane_with: LaneWith) -> None:
    lane = lane_with(trusted_proxies="127.0.0.1", cookie_prefix="none")
    head = sent(
        lane,
        "X-Forwarded-For: 6.6.6.6, 203.0.113.9",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: app.test",
    )
    assert head.value(b"x-forwarded-for") == b"203.0.113.9, 127.0.0.1"  # 6.6.6.6 is the client's to invent
    assert head.value(b"x-forwarded-proto") == b"https"
    assert head.value(b"x-forwarded-host") == b"app.test"


def test_the_clients_own_authorization_never_crosses_beside_a_cookie(lane: Lane) -> None:
    head = sent(lane, f"Authorization: Bearer {OTHER_VALID}", "authorization: Basic eDp5")
    assert head.value(b"authorization") == f"Bearer {VALID}".encode()


def test_without_a_cookie_the_bearer_is_the_credential(lane: Lane) -> None:
    head = sent(lane, f"Authorization: bearer {OTHER_VALID}", token=None)
    assert head.value(b"authorization") == f"Bearer {OTHER_VALID}".encode()


def test_on_public_data_a_stale_credential_does_not_cross(lane: Lane) -> None:
    for data in (
        request("GET", "/rest/", token=EXPIRED),
        request("GET", "/rest/", ["Authorization: Basic eDp5"], token=None),
    ):
        assert head_of(lane, data).names == OURS - {b"authorization"}


def test_only_the_gateways_own_cookies_are_taken_out(lane: Lane) -> None:
    cookies = f'Cookie: a=1; access_token={VALID}; b=x=y; refresh_token=secret;c; d="q;r"'
    head = sent(lane, cookies, token=None)
    assert head.value(b"cookie") == b'a=1; b=x=y; c; d="q; r"'


def test_several_cookie_headers_become_one(lane: Lane) -> None:
    head = sent(lane, "Cookie: a=1", "Cookie: refresh_token=secret", "Cookie: b=2")
    assert head.value(b"cookie") == b"a=1; b=2"


def test_no_cookie_header_is_left_when_all_were_ours(lane: Lane) -> None:
    assert b"cookie" not in sent(lane, "Cookie: refresh_token=secret").names


def test_trailers_end_here(lane: Lane) -> None:
    body = b"2\r\n{}\r\n0\r\nAuthorization: Bearer evil\r\nX-Evil: 1\r\n\r\n"
    client, upstream = lane.relaying(request("POST", "/rest/items", [CHUNKED, "Trailer: X-Evil"]) + body)
    received = upstream.request()
    assert received.raw.endswith(b"2\r\n{}\r\n0\r\n\r\n")
    assert b"evil" not in received.raw.lower()
    upstream.send(OK)
    assert client.answer().status == 200
    client.send(request("GET", "/rest/items"))
    assert upstream.request().head.names == OURS
    upstream.send(OK)
    assert client.answer().status == 200
