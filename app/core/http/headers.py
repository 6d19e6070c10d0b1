"""Request headers: which are forwarded, and which the gateway reads.

Hop-by-hop fields are dropped (RFC 9110 section 7.6.1). The gateway writes framing, Host, Authorization and
the forwarding fields, after it has removed the fields that the client names in Connection. Claims about the
client (`core/http/claimed.py`) are dropped, and so are names that a loose parser reads as one of these: all
with `_`, which SQL and CGI read as `-` (CVE-2025-64484).
"""

from collections.abc import Sequence
from typing import Final

from app.core.http.header_kinds import (
    ACCEPT_PROFILE,
    AUTHORIZATION,
    CONNECTION,
    CONTENT_LENGTH,
    CONTENT_PROFILE,
    COOKIE,
    DROP,
    EARLY_DATA,
    EXPECT,
    FETCH_SITE,
    FORWARDED_FOR,
    FORWARDED_HOST,
    FORWARDED_PORT,
    FORWARDED_PROTO,
    HOST,
    NOT_FORWARDED,
    ORIGIN,
    OTHER_ADDRESS_FIELD,
    OTHER_SCHEME_FIELD,
    PASS,
    PREFLIGHT_HEADERS,
    PREFLIGHT_METHOD,
    TRACEPARENT,
    TRACESTATE,
    TRANSFER_ENCODING,
    UPGRADE,
    VIA,
    kind_of,
)
from app.core.http.traces import is_traceparent
from app.errors import HeadTooLarge

Header = tuple[bytes, bytes]


_MOST_OPTIONS: Final = 100  # names in Connection; a head has at most 100 fields by default


def forwardable(headers: Sequence[Header]) -> list[Header]:
    """The headers of a request that an auth function may read, with cookies and credentials."""
    connection = b",".join(value for name, value in headers if name == b"connection")
    nominated = _nominated(connection) - _DECIDED - _CREDENTIALS
    return [
        (name, value)
        for name, value in headers
        if kind_of(name) not in NOT_FORWARDED and name not in nominated
    ]


class RequestHeaders:
    """One request's headers, read once: the gateway's as attributes, the others as lines to forward."""

    # Class attributes as defaults: most requests set only a few of them.
    host = b""
    host_count = 0
    cookie = b""
    authorization: bytes | None = None
    connection = b""
    content_length: bytes | None = None
    content_profile: bytes | None = None
    accept_profile = b""  # the line; empty without one
    accept_schema: bytes | None = None  # its value
    transfer_encoding = b""
    origin: bytes | None = None
    fetch_site: bytes | None = None
    forwarded_for = b""
    forwarded_proto = b""
    forwarded_host = b""
    forwarded_port = b""
    other_address_field = b""  # the name of the field
    other_scheme_field = b""
    expect: bytes | None = None
    upgrade = b""
    via = b""
    early_data = False
    traceparents = 0
    traceparent = b""  # empty unless it is valid and the only one
    has_tracestate = False
    preflight_method = False
    preflight_headers = b""
    preflight_lines = b""  # of both, for an upstream that handles preflights itself

    def __init__(self, headers: Sequence[Header]) -> None:
        """Raises HeadTooLarge for too many names in Connection."""
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
            elif kind >= FORWARDED_FOR:
                self._keep_forwarding(kind, name, value)
            elif kind != DROP:
                self._keep(kind, value, lines)
        if self.connection.count(b",") >= _MOST_OPTIONS:
            raise HeadTooLarge(reason="too many names in Connection")
        self.lines = without_nominated(lines, self.connection, kept=_DECIDED)

    def _keep(self, kind: int, value: bytes, lines: list[bytes]) -> None:  # noqa: C901, PLR0912
        """Keep one field. Long because it is a flat list of kinds, and a call more a field is measurable."""
        if kind == AUTHORIZATION:
            # Two are no credential: PostgREST reads the first one, others may read the last
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
            if self.content_profile is None:  # PostgREST reads the first, so only that one is forwarded
                self.content_profile = value.strip(b" \t")
                lines.append(b"content-profile: %b\r\n" % value)
        elif kind == ACCEPT_PROFILE:
            if self.accept_schema is None:
                self.accept_schema = value.strip(b" \t")
                self.accept_profile = b"accept-profile: %b\r\n" % value
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
            self.early_data = True  # any value means 1 (RFC 8470 section 5.1)
        elif kind == PREFLIGHT_METHOD:
            self.preflight_method = True
            self.preflight_lines += b"access-control-request-method: %b\r\n" % value
        elif kind == PREFLIGHT_HEADERS:
            self.preflight_headers = value
            self.preflight_lines += b"access-control-request-headers: %b\r\n" % value

    def _keep_forwarding(self, kind: int, name: bytes, value: bytes) -> None:
        if kind == FORWARDED_FOR:
            self.forwarded_for = _joined(self.forwarded_for, value)
        elif kind == FORWARDED_PROTO:
            self.forwarded_proto = _joined(self.forwarded_proto, value)
        elif kind == FORWARDED_HOST:
            self.forwarded_host = _joined(self.forwarded_host, value)
        elif kind == FORWARDED_PORT:
            self.forwarded_port = _joined(self.forwarded_port, value)
        elif kind == OTHER_ADDRESS_FIELD:
            self.other_address_field = name
        elif kind == OTHER_SCHEME_FIELD:
            self.other_scheme_field = name


def _joined(earlier: bytes, value: bytes) -> bytes:
    """Several lines of one name are one list (RFC 9110 section 5.3)."""
    return b"%b, %b" % (earlier, value) if earlier else value


# Fields that admission depends on are always forwarded: without Content-Profile, PostgREST would call the
# function of the default schema.
_DECIDED = frozenset({b"content-profile", b"accept-profile", b"origin", b"sec-fetch-site"})
_CREDENTIALS = frozenset({b"cookie", b"authorization", b"host", b"content-length"})
_NOMINATES_NOTHING = frozenset({b"", b"keep-alive", b"close"})


def without_nominated(
    lines: list[bytes], connection: bytes, kept: frozenset[bytes] = frozenset()
) -> list[bytes]:
    """Drop the fields that Connection names (RFC 9110 section 7.6.1).

    Only the client's fields are dropped: Connection cannot remove the gateway's (golang/go#50580).
    """
    if connection.lower() in _NOMINATES_NOTHING:
        return lines
    nominated = _nominated(connection) - kept
    return [line for line in lines if line.partition(b":")[0].lower() not in nominated]


def _nominated(connection: bytes) -> set[bytes]:
    return {token.strip(b" \t").lower() for token in connection.split(b",")}
