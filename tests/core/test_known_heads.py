"""Repeats: a head that is admitted the short way is admitted just as the long way would, or not at all."""

import httptools
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.core.admission import Admission
from app.core.http.headers import Header
from app.core.known_heads import KnownHead, admit_known, known_head
from app.core.requests import Admitted, Request
from app.errors import GatewayError

from .builders import NOW, gateway, mint, open_gateway, peer
from .properties import tried

TAIL = b"\r\nHost: gw.test\r\nCookie: access_token=%b; a=b\r\nAccept: */*\r\n\r\n" % mint().encode()
FIRST = b"GET /rest/items?id=eq.1 HTTP/1.1" + TAIL


class _Parser:
    """A head as the parser hands it over."""

    def __init__(self, data: bytes) -> None:
        self.target = b""
        self.headers: list[Header] = []
        self.reader = httptools.HttpRequestParser(self)
        self.reader.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))


def parse(data: bytes, request_id: bytes = b"id-1") -> Request:
    parsed = _Parser(data)
    return Request(
        parsed.reader.get_method(),
        parsed.target,
        parsed.reader.get_http_version(),
        parsed.headers,
        len(data),
        upgrade=parsed.reader.should_upgrade(),
        peer=peer(),
        request_id=request_id,
    )


def remembered(data: bytes = FIRST, gate: Admission | None = None) -> KnownHead | None:
    request = parse(data)
    return known_head(request, (gate or gateway()).decide(request, NOW), data)


def repeated(
    data: bytes, first: bytes = FIRST, now: float = NOW, gate: Admission | None = None
) -> Admitted | None:
    earlier = remembered(first, gate)
    assert earlier is not None
    return admit_known(gate or gateway(), earlier, data, peer(), b"id-2", now)


@pytest.mark.parametrize(
    "line",
    [
        b"GET /rest/items?id=eq.1",
        b"GET /rest/items?id=eq.2",
        b"GET /rest/other",
        b"GET /rest/a/b;c=d/",
        b'GET /rest/items?a="b"&c={d}&e=%2f..%ff',
        b"GET /rest/items?X-Request-Id:%20id-1%20HTTP/1.1",
    ],
)
def test_a_repeat_is_what_the_long_way_makes_of_it(line: bytes) -> None:
    data = line + b" HTTP/1.1" + TAIL
    assert repeated(data) == gateway().decide(parse(data, b"id-2"), NOW)


def test_a_repeat_has_a_request_id_of_its_own() -> None:
    found = repeated(FIRST)
    assert found is not None
    assert found.head.count(b"\r\nX-Request-Id: id-2\r\n") == 1
    assert b"id-1" not in found.head


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"GET /rest/items",
        FIRST[:-1],
        FIRST + b"x",
        FIRST + FIRST,  # pipelined
        b"\r\n" + FIRST,
        FIRST.replace(b"a=b", b"a=c"),
        FIRST.replace(b"Accept", b"accept"),
        FIRST.replace(b"\r\nAccept", b"\r\nX-A: 1\r\nAccept"),
        FIRST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        FIRST.replace(b"HTTP/1.1", b"http/1.1"),
        FIRST.replace(b" HTTP/1.1", b"  HTTP/1.1"),
        FIRST.replace(b" HTTP/1.1", b"\tHTTP/1.1"),
        FIRST.replace(b" HTTP/1.1", b" HTTP/1.1 HTTP/1.1"),
        FIRST.replace(b" HTTP/1.1", b""),
        FIRST.replace(b"GET", b"HEAD"),
        FIRST.replace(b"GET", b"POST"),
        FIRST.replace(b"GET", b"get"),
        FIRST.replace(b"GET ", b"GET  "),
        FIRST.replace(b"/rest/items", b"/rest/../items"),
        FIRST.replace(b"/rest/items", b"/rest//items"),
        FIRST.replace(b"/rest/items", b"/rest/%2e%2e/items"),
        FIRST.replace(b"/rest/items", b"/rest/a%20b"),  # good, and for the long way to tell
        FIRST.replace(b"/rest/items", b"http://gw.test/rest/items"),
        FIRST.replace(b"/rest/items", b"@evil.test/"),
        FIRST.replace(b"/rest/items", b"/rpc/items"),
        FIRST.replace(b"/rest/items", b"/rest/"),  # the document: another policy
        FIRST.replace(b"/rest/items", b"/nowhere"),
        FIRST.replace(b"/rest/items", b"/rpc/login"),  # POST alone is allowed there
        FIRST.replace(b"/rest/items", b"/rest/rpc/logout"),
        FIRST.replace(b"eq.1", b"eq.1#x"),
        FIRST.replace(b"eq.1", b"eq.\xff"),
        FIRST.replace(b"eq.1", b"eq.\x00"),
        FIRST.replace(b"eq.1", b"a" * 16_384),
    ],
)
def test_anything_else_takes_the_long_way(data: bytes) -> None:
    assert repeated(data) is None


def test_the_tokens_time_is_looked_at_again() -> None:
    assert repeated(FIRST, now=NOW + 599.9) is not None
    assert repeated(FIRST, now=NOW + 600) is None
    early = FIRST.replace(mint().encode(), mint(nbf=NOW).encode())
    assert repeated(early, early) is not None
    assert repeated(early, early, now=NOW - 1) is None


@pytest.mark.parametrize(
    "data",
    [
        FIRST.replace(b"GET", b"POST"),
        FIRST.replace(b"GET", b"DELETE"),
        FIRST.replace(b"GET", b"OPTIONS"),
        FIRST.replace(b"HTTP/1.1", b"HTTP/1.0"),
        FIRST.replace(b"Accept: */*", b"Content-Length: 2"),
        FIRST.replace(b"Accept: */*", b"Content-Length: 2") + b"{}",
        FIRST.replace(b"Accept: */*", b"Transfer-Encoding: chunked"),
        FIRST.replace(b"Accept: */*", b"Transfer-Encoding: chunked") + b"0\r\n\r\n",
        FIRST.replace(b"Accept: */*", b"Expect: 100-continue"),
        b"\r\n" + FIRST,
        b"GET /rest/ HTTP/1.1\r\nHost: gw.test\r\n\r\n",  # nobody in particular
        b"POST /rpc/login HTTP/1.1\r\nHost: gw.test\r\n\r\n",
    ],
)
def test_only_a_signed_in_read_without_a_body_is_remembered(data: bytes) -> None:
    assert remembered(data) is None


@pytest.mark.parametrize(
    "data", [b"", FIRST[:-1], FIRST + b"x", FIRST + FIRST, FIRST[1:], FIRST.replace(b"=eq", b"=gt")]
)
def test_only_a_head_that_was_read_whole_and_alone_is_remembered(data: bytes) -> None:
    request = parse(FIRST)
    assert known_head(request, gateway().decide(request, NOW), data) is None


def test_an_open_route_is_repeated_for_those_who_are_signed_in_only() -> None:
    gate = open_gateway()
    assert repeated(FIRST, gate=gate) is not None
    assert remembered(b"GET /rest/items HTTP/1.1\r\nHost: gw.test\r\n\r\n", gate) is None
    assert repeated(FIRST, now=NOW + 600, gate=gate) is None


paths = st.sampled_from(
    b"/rest/ /rest/items /rest/items/ /rest/a%20b /rest/../x /rest//x /rpc/f /rpc/login /rest/rpc/login /x / "
    b"* /rest/..;/x /rest/%2f /rest/a?b=c /rest/?a /rest/a?# /rest/a??x=%00 /rest/a;b".split()
)
fields = st.sampled_from(
    [
        *[b"Accept: */*", b"Prefer: a", b"X_A: 1", b"Origin: https://app.test", b"Origin: https://evil.test"],
        *[
            b"Accept-Profile: api",
            b"Content-Profile: x",
            b"Early-Data: 1",
            b"Connection: accept",
            b"Expect: x",
        ],
        *[b"Content-Length: 0", b"X-Forwarded-For: 192.0.2.1", b"Cookie: x=y", b"Authorization: Bearer x"],
    ]
)
lines = st.tuples(st.sampled_from([b"GET", b"GET", b"HEAD", b"POST"]), paths)


@tried
@example((b"GET", b"/rest/items"), (b"GET", b"/rest/a?b=c"), [], 0)
@example((b"GET", b"/rest/items"), (b"GET", b"/rpc/login"), [], 0)
@given(lines, lines, st.lists(fields, max_size=4), st.integers(0, 700))
def test_the_short_way_is_never_another_way(
    one: tuple[bytes, bytes], other: tuple[bytes, bytes], extra: list[bytes], later: int
) -> None:
    tail = b"\r\n" + b"".join(field + b"\r\n" for field in extra) + TAIL[2:]
    first, second = (b"%b %b HTTP/1.1%b" % (*line, tail) for line in (one, other))
    gate = gateway()
    try:
        earlier = remembered(first, gate)
    except (GatewayError, httptools.HttpParserError):
        return
    short = None if earlier is None else admit_known(gate, earlier, second, peer(), b"id-2", NOW + later)
    if short is not None:
        assert short == gate.decide(parse(second, b"id-2"), NOW + later)
