"""Which headers cross, in which direction, and which the gateway adds.

Facts: hop-by-hop fields end here (RFC 9110 section 7.6.1); framing, Host, Authorization and the forwarding
fields are the gateway's own to write, after everything the client could name in Connection is gone; a name
with `_` aliases one with `-` once SQL or CGI reads it, so it does not cross (CVE-2025-64484).
"""

from collections.abc import Sequence
from typing import Final

from app.core.traces import is_traceparent

Header = tuple[bytes, bytes]


# What becomes of a request header. Plain integers: an enum member costs more to look up than to compare.
PASS: Final = 0
DROP: Final = 1
HOST: Final = 2
COOKIE: Final = 3
AUTHORIZATION: Final = 4
CONNECTION: Final = 5
CONTENT_LENGTH: Final = 6
TRANSFER_ENCODING: Final = 7
ORIGIN: Final = 8
FETCH_SITE: Final = 9
FORWARDED_FOR: Final = 10
FORWARDED_PROTO: Final = 11
FORWARDED_HOST: Final = 12
EXPECT: Final = 13
EARLY_DATA: Final = 14
CONTENT_PROFILE: Final = 15
PREFLIGHT_METHOD: Final = 16
PREFLIGHT_HEADERS: Final = 17
ACCEPT_PROFILE: Final = 18
UPGRADE: Final = 19
VIA: Final = 20
TRACEPARENT: Final = 21
TRACESTATE: Final = 22

REMEMBERED_BYTES = 64
REMEMBERED_NAMES = 1024
_KINDS: dict[bytes, int] = {
    b"host": HOST,
    b"cookie": COOKIE,
    b"authorization": AUTHORIZATION,
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"origin": ORIGIN,
    b"sec-fetch-site": FETCH_SITE,
    b"x-forwarded-for": FORWARDED_FOR,
    b"x-forwarded-proto": FORWARDED_PROTO,
    b"x-forwarded-host": FORWARDED_HOST,
    b"expect": EXPECT,
    b"early-data": EARLY_DATA,
    b"content-profile": CONTENT_PROFILE,
    b"upgrade": UPGRADE,
    b"via": VIA,
    b"traceparent": TRACEPARENT,
    b"tracestate": TRACESTATE,
    b"accept-profile": ACCEPT_PROFILE,
    b"access-control-request-method": PREFLIGHT_METHOD,
    b"access-control-request-headers": PREFLIGHT_HEADERS,
}

_HOP_BY_HOP = frozenset({b"keep-alive", b"proxy-connection", b"te", b"trailer", b"http2-settings"})
# Claims about who asks, from where or for what, that a service behind a gateway tends to believe.
_SPOOFABLE = frozenset(
    {
        b"forwarded", b"x-real-ip", b"x-client-ip", b"x-request-id", b"x-original-url", b"x-original-uri",
        b"x-rewrite-url", b"x-http-method-override", b"x-http-method", b"x-method-override", b"x-user",
        b"x-role", b"remote-user",
    }
)  # fmt: skip
_SPOOFABLE_PREFIXES = (b"x-forwarded-", b"x-auth-", b"x-webauth-", b"x-remote-", b"proxy-")


def kind_of(name: bytes) -> int:
    """What becomes of a request header, by its lower-case name. Short names are remembered."""
    kind = _KINDS.get(name)
    if kind is None:
        kind = _classify(name)
        if len(name) <= REMEMBERED_BYTES and len(_KINDS) < REMEMBERED_NAMES:
            _KINDS[name] = kind
    return kind


def _classify(name: bytes) -> int:
    if b"_" in name or name in _HOP_BY_HOP or name in _SPOOFABLE or name.startswith(_SPOOFABLE_PREFIXES):
        return DROP
    return PASS


class RequestHeaders:
    """One request's headers, read once: the gateway's own part by name, the rest as lines to pass on."""

    # Defaults stand in the class: most requests set only a few of them.
    host = b""
    host_count = 0
    cookie = b""
    authorization: bytes | None = None
    connection = b""
    content_length: bytes | None = None
    content_profile: bytes | None = None
    accept_profile = b""  # the line, or nothing
    transfer_encoding = b""
    origin: bytes | None = None
    fetch_site: bytes | None = None
    forwarded_for = b""
    forwarded_proto = b""
    forwarded_host = b""
    expect: bytes | None = None
    upgrade = b""
    via = b""
    early_data = False
    traceparents = 0
    traceparent = b""  # if it is the only one, and good
    has_tracestate = False
    preflight_method = False
    preflight_headers = b""

    def __init__(self, headers: Sequence[Header]) -> None:
        lines: list[bytes] = []
        for name, value in headers:
            kind = kind_of(name)
            if kind == PASS:
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind == HOST:
                self.host = value
                self.host_count += 1
            elif kind == COOKIE:
                self.cookie = b"%b; %b" % (self.cookie, value) if self.cookie else value
            elif kind != DROP:
                self._keep(kind, value, lines)
        self.lines = without_nominated(lines, self.connection, kept=_DECIDED)

    def _keep(self, kind: int, value: bytes, lines: list[bytes]) -> None:  # noqa: C901, PLR0912
        if kind == AUTHORIZATION:
            # The first one counts, as at PostgREST; two are one too many for anybody else.
            self.authorization = value if self.authorization is None else b""
        elif kind == CONNECTION:
            self.connection = b"%b,%b" % (self.connection, value) if self.connection else value
        elif kind == CONTENT_LENGTH:
            self.content_length = value
        elif kind == TRANSFER_ENCODING:
            self.transfer_encoding = b"%b,%b" % (self.transfer_encoding, value)
        elif kind == ORIGIN:
            self.origin = value
            lines.append(b"origin: %b\r\n" % value)
        elif kind == FETCH_SITE:
            self.fetch_site = value
            lines.append(b"sec-fetch-site: %b\r\n" % value)
        elif kind == CONTENT_PROFILE:
            if self.content_profile is None:  # the first counts at PostgREST, so no other goes there
                self.content_profile = value
                lines.append(b"content-profile: %b\r\n" % value)
        elif kind == ACCEPT_PROFILE:
            self.accept_profile = self.accept_profile or b"accept-profile: %b\r\n" % value
        elif kind == FORWARDED_FOR:
            self.forwarded_for = b"%b, %b" % (self.forwarded_for, value) if self.forwarded_for else value
        elif kind == FORWARDED_PROTO:
            self.forwarded_proto = value
        elif kind == FORWARDED_HOST:
            self.forwarded_host = value
        elif kind == EXPECT:
            self.expect = value
        elif kind == UPGRADE:
            self.upgrade = value.lower()
        elif kind == VIA:
            self.via = b"%b, %b" % (self.via, value)
            lines.append(b"via: %b\r\n" % value)
        elif kind == TRACEPARENT:
            self.traceparent = value if not self.traceparents and is_traceparent(value) else b""
            self.traceparents += 1
            lines.append(b"traceparent: %b\r\n" % value)
        elif kind == TRACESTATE:
            self.has_tracestate = True
            lines.append(b"tracestate: %b\r\n" % value)
        elif kind == EARLY_DATA:
            self.early_data = True  # any other value means 1 (RFC 8470 section 5.1)
        elif kind == PREFLIGHT_METHOD:
            self.preflight_method = True
        elif kind == PREFLIGHT_HEADERS:
            self.preflight_headers = value


# What was decided by must arrive: a Content-Profile named away would call the default schema's function.
_DECIDED = frozenset({b"content-profile", b"accept-profile", b"origin", b"sec-fetch-site"})
_NOMINATES_NOTHING = frozenset({b"", b"keep-alive", b"close"})


def without_nominated(
    lines: list[bytes], connection: bytes, kept: frozenset[bytes] = frozenset()
) -> list[bytes]:
    """Drop the fields that Connection names (RFC 9110 section 7.6.1).

    Only fields that pass are touched: a client cannot name the gateway's own away (golang/go#50580).
    """
    if connection.lower() in _NOMINATES_NOTHING:
        return lines
    nominated = {token.strip(b" \t").lower() for token in connection.split(b",")} - kept
    return [line for line in lines if line.partition(b":")[0].lower() not in nominated]
