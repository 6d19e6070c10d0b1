"""The head that goes upstream: written from what was checked, and one for each request."""

import httptools
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http.routing import Route
from app.core.requests import Request
from app.errors import GatewayError

from .builders import NOW, decide, gateway, mint, peer, session
from .properties import tried

TOKEN = mint()


def test_a_read_with_a_session() -> None:
    found = decide(
        "GET /rest/items?select=a,b&x=in.(%22a%2Cb%22)&y=eq.1%2B1&z&e=&q=%ff&n=a+b",  # A66
        f"Cookie: theme=dark; access_token={TOKEN}; lang=en; refresh_token=R",
        "Accept: application/json",
        "Prefer: count=exact",
        "Prefer: handling=strict",
        "Authorization: Bearer other",
        "Connection: close, authorization, x-secret",
        "X-Secret: 1",
        "X-Real-IP: 127.0.0.1",
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Host: evil.test",
        "X-Request-Id: mine",
        "X_User: admin",
        "Origin: https://gw.test",
    )
    assert found.head == (
        b"GET /items?select=a,b&x=in.(%%22a%%2Cb%%22)&y=eq.1%%2B1&z&e=&q=%%ff&n=a+b HTTP/1.1\r\n"
        b"Host: postgrest:3000\r\n"
        b"accept: application/json\r\n"
        b"prefer: count=exact\r\n"
        b"prefer: handling=strict\r\n"
        b"origin: https://gw.test\r\n"
        b"Via: 1.1 postgate\r\n"
        b"X-Forwarded-For: 198.51.100.7\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: gw.test\r\n"
        b"X-Request-Id: id-1\r\n"
        b"cookie: theme=dark; lang=en\r\n"
        b"Authorization: Bearer %b\r\n"
        b"\r\n" % TOKEN.encode()
    )
    assert (found.sized, found.chunked, found.expects_continue) == (False, False, False)


def test_a_write_through_a_trusted_proxy() -> None:
    found = decide(
        "PATCH /rpc/set_name?id=gt.1&id=lt.9",  # A67
        session(TOKEN),
        "Content-Type: application/json",
        "Content-Length: 2",
        "X-Forwarded-For: 203.0.113.5, 192.0.2.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: gw.example",
        "Expect: 100-Continue",
        peer=peer("10.0.0.1", "http"),
    )
    assert found.head == (
        b"PATCH /rpc/set_name?id=gt.1&id=lt.9 HTTP/1.1\r\n"
        b"Host: postgrest:3000\r\n"
        b"content-type: application/json\r\n"
        b"Via: 1.1 postgate\r\n"
        b"X-Forwarded-For: 192.0.2.1, 10.0.0.1\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: gw.example\r\n"
        b"X-Request-Id: id-1\r\n"
        b"Authorization: Bearer %b\r\n"
        b"content-length: 2\r\n"
        b"\r\n" % TOKEN.encode()
    )
    assert (found.client.address, found.sized, found.expects_continue) == ("192.0.2.1", True, True)


def test_a_stranger_reads_the_document() -> None:
    found = decide("GET /rest/", "Authorization: Basic eDp5", "Cookie: a=b", version="1.0", host=None)
    assert found.head == (
        b"GET / HTTP/1.1\r\n"
        b"Host: postgrest:3000\r\n"
        b"Via: 1.0 postgate\r\n"
        b"X-Forwarded-For: 198.51.100.7\r\n"
        b"X-Forwarded-Proto: https\r\n"
        b"X-Forwarded-Host: \r\n"
        b"X-Request-Id: id-1\r\n"
        b"cookie: a=b\r\n"
        b"\r\n"
    )


@pytest.mark.parametrize("spelling", ["chunked", "Chunked", ",chUnked,"])  # C20
def test_a_chunked_body_is_framed_anew(spelling: str) -> None:
    found = decide("POST /rest/items", session(TOKEN), f"Transfer-Encoding: {spelling}")
    assert found.head.endswith(b"\r\ntransfer-encoding: chunked\r\n\r\n")
    assert (found.chunked, found.sized) == (True, False)


def test_a_request_without_a_body_gains_no_framing() -> None:  # C52
    head = decide("GET /rest/items", session(TOKEN), "Content-Type: application/json").head
    assert b"content-length" not in head
    assert b"transfer-encoding" not in head


def test_the_two_framings_never_go_on_together() -> None:  # C01, C02, should a parser let both through
    try:
        head = decide(
            "POST /rest/items", session(TOKEN), "Content-Length: 6", "Transfer-Encoding: chunked"
        ).head
    except GatewayError:
        return
    assert (b"content-length" in head) is not (b"transfer-encoding" in head)


@pytest.mark.parametrize("length", ["0", "2"])
def test_a_length_goes_on_as_it_came(length: str) -> None:
    found = decide("POST /rest/items", session(TOKEN), f"Content-Length: {length}")
    assert found.head.endswith(b"\r\ncontent-length: %b\r\n\r\n" % length.encode())
    assert found.sized is (length != "0")


def test_the_credentials_of_the_gateway_do_not_reach_the_upstream_as_cookies() -> None:  # B19, E21
    head = decide("GET /rest/items", f"Cookie: access_token={TOKEN}; refresh_token=R").head
    assert b"cookie" not in head.lower()


class _Reader:
    """What another reader finds in a head."""

    def __init__(self, head: bytes) -> None:
        self.heads = 0
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._parser = httptools.HttpRequestParser(self)
        self._parser.feed_data(head)
        self.method: bytes = self._parser.get_method()

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        self.heads += 1


words = st.sampled_from(
    [
        *[b"", b"1", b"2", b"chunked", b"close", b"authorization, host, cookie", b"Bearer x", b"same-origin"],
        *[b"a=b; access_token=x", b"evil.test", b"https://gw.test", b"127.0.0.1", b'a, b;c="d"', b"\xff\xfe"],
    ]
)
fields = st.sampled_from(
    b"accept authorization connection content-length content-profile accept-profile cookie expect forwarded "
    b"origin sec-fetch-site te trailer transfer-encoding upgrade via x-a x-forwarded-for x-forwarded-host "
    b"x-forwarded-proto x-request-id x_user x-user early-data".split()
)
targets = st.sampled_from(
    [b"/rest/", b"/rest/items", b"/rest/a%20b?c=%0d%0a", b"/rpc/get", b"/rest/rpc/x?;", b"/rest/a?b\r\nX: 1"]
)
ONCE = set(
    b"host authorization x-forwarded-for x-forwarded-proto x-forwarded-host x-request-id cookie "
    b"content-length transfer-encoding content-profile accept-profile".split()
)
NEVER = set(b"connection te trailer upgrade forwarded x_user x-user expect early-data".split())


@tried
@given(
    st.sampled_from([b"GET", b"POST", b"DELETE"]),
    targets,
    st.lists(st.tuples(fields, words), max_size=8),
    st.booleans(),
)
def test_whatever_is_admitted_one_head_goes_out_with_one_of_each_of_our_fields(
    method: bytes,
    target: bytes,
    headers: list[tuple[bytes, bytes]],
    trusted: bool,  # noqa: FBT001
) -> None:
    # The parser lets no other lengths through.
    headers = [(name, value) for name, value in headers if name != b"content-length" or value.isdigit()]
    own = [(b"host", b"gw.test"), (b"cookie", b"access_token=" + TOKEN.encode())]
    sender = peer("10.0.0.1" if trusted else "198.51.100.7")
    try:
        sent = Request(
            method, target, "1.1", own + headers, 0, upgrade=False, peer=sender, request_id=b"id-1"
        )
        found = gateway().decide(sent, NOW)
    except GatewayError:
        return
    assert isinstance(found.lane, Route)
    seen = _Reader(found.head)
    assert (seen.heads, seen.method, seen.target) == (1, method, target.removeprefix(b"/rest"))
    names = [name for name, _ in seen.headers]
    assert {name for name in names if names.count(name) > 1} & ONCE == set()
    written = dict(seen.headers)
    assert written[b"host"] == b"postgrest:3000"
    assert written[b"x-request-id"] == b"id-1"
    assert b"access_token=" not in written.get(b"cookie", b"")
    if found.token is not None:
        assert written[b"authorization"] == b"Bearer " + TOKEN.encode()
    assert not NEVER & set(names)
