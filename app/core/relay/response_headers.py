"""Response headers of an upstream: which are forwarded to the client, and which the gateway reads."""

from collections.abc import Iterable, Sequence
from typing import Final

from app.core.http.header_kinds import CACHED_NAME_BYTES, CACHED_NAMES
from app.core.http.headers import Header, without_nominated
from app.core.http.octets import holds
from app.core.http.protection import PROTECTS
from app.core.session.cookie_names import CookieNames
from app.core.session.cookie_rules import has_control
from app.core.session.cookies import harden, name_of, under_prefix

_RESPONSE_DROPPED = frozenset(
    {
        b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"proxy-authenticate",
        b"proxy-authentication-info", b"proxy-authorization", b"x-request-id",
        b"server", b"x-powered-by",  # names and versions only help an attacker
    }
)  # fmt: skip

_PASSES: Final = 0
_DROPPED: Final = 1
_FRAMES: Final = 2
_CACHES: Final = 3
_SETS_COOKIE: Final = 4  # or clears cookies
_LOCATES: Final = 5
_TYPE: Final = 6
_PROTECTS: Final = 7
_CORS: Final = 8
_KINDS_KNOWN: Final = {
    b"connection": _FRAMES,
    b"content-length": _FRAMES,
    b"transfer-encoding": _FRAMES,
    b"cache-control": _CACHES,
    b"set-cookie": _SETS_COOKIE,
    b"clear-site-data": _SETS_COOKIE,
    b"location": _LOCATES,
    b"content-location": _LOCATES,
    b"content-type": _TYPE,
    **dict.fromkeys(PROTECTS, _PROTECTS),
}
_EVENT_STREAM: Final = b"text/event-stream"
_cached_kinds: dict[bytes, int] = {}


def _response_kind(name: bytes) -> int:
    """The kind of a response header. Short names are cached as written, up to CACHED_NAMES."""
    kind = _cached_kinds.get(name)
    if kind is None:
        kind = _classify(name.lower())
        if len(name) <= CACHED_NAME_BYTES and len(_cached_kinds) < CACHED_NAMES:
            _cached_kinds[name] = kind
    return kind


def _classify(lowered: bytes) -> int:
    if lowered in _RESPONSE_DROPPED:
        return _DROPPED
    if lowered.startswith(b"access-control-"):
        return _CORS
    return _KINDS_KNOWN.get(lowered, _PASSES)


class ResponseHeaders:
    """An upstream's headers, read once: the framing as attributes, and the lines for the client.

    Names stay as written; order and duplicates are kept.
    """

    content_length: bytes | None = None
    transfer_encoding: bytes | None = None
    has_cache_control = False
    sets_cookies = False  # or clears them
    locations: Sequence[int] = ()  # the indexes in `lines` of Location and Content-Location
    depends_on_route = False  # the client's lines are not the same on every route
    is_event_stream = False
    present = 0  # bits of the fields in core/http/protection.py

    def __init__(self, headers: Iterable[Header]) -> None:
        connection = b""
        lines: list[bytes] = []
        cors: list[bytes] = []
        for name, value in headers:
            kind = _response_kind(name)
            if kind == _PASSES:
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind == _TYPE:
                lines.append(b"%b: %b\r\n" % (name, value))
                self.is_event_stream = value[: len(_EVENT_STREAM)].lower() == _EVENT_STREAM
            elif kind == _LOCATES:
                self.locations = (*self.locations, len(lines))
                self.depends_on_route = True
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind == _FRAMES:
                connection = self._read_framing(name.lower(), value, connection)
            elif kind == _CORS:
                cors.append(b"%b: %b\r\n" % (name, value))
                self.depends_on_route = True
            elif kind != _DROPPED:
                lines.append(b"%b: %b\r\n" % (name, value))
                self._record(kind, name)
        self.closes = bool(connection) and holds(connection.lower(), b"close")
        self.lines = without_nominated(lines, connection)
        # For routes without a session; on the others the gateway writes the CORS fields
        self.cors = without_nominated(cors, connection)
        if len(self.lines) != len(lines):
            self._record_again()

    def _read_framing(self, lowered: bytes, value: bytes, connection: bytes) -> bytes:
        if lowered == b"content-length":
            self.content_length = value
        elif lowered == b"transfer-encoding":
            earlier = self.transfer_encoding
            self.transfer_encoding = value.lower() if earlier is None else b"%b,%b" % (earlier, value)
        else:
            return b"%b,%b" % (connection, value) if connection else value
        return connection

    def _record(self, kind: int, name: bytes) -> None:
        if kind == _CACHES:
            self.has_cache_control = True
        elif kind == _SETS_COOKIE:
            self.sets_cookies = self.depends_on_route = True
        else:
            self.present |= PROTECTS[name.lower()]

    def _record_again(self) -> None:
        """Record the fields that are left after Connection has removed some."""
        names = [line.partition(b":")[0].lower() for line in self.lines]
        self.has_cache_control = b"cache-control" in names
        self.locations = tuple(at for at, name in enumerate(names) if _response_kind(name) == _LOCATES)
        self.present = 0
        for name in names:
            self.present |= PROTECTS.get(name, 0)


def with_hardened(lines: Sequence[bytes], names: CookieNames, *, secure: bool) -> tuple[list[bytes], bool]:
    """The lines of a response with the session's cookies as auth functions send them, and whether it has any.

    PostgREST relays the cookies of a function that a service calls. No cache may store them.
    """
    hardened = [_hardened(line, names, secure=secure) for line in lines]
    if all(new is old for new, old in zip(hardened, lines, strict=True)):
        return hardened, False
    return with_session(hardened, ()), True


def _hardened(line: bytes, names: CookieNames, *, secure: bool) -> bytes:
    name, _, value = line.partition(b":")
    value = value.strip()
    if name.lower() != b"set-cookie" or name_of(value) not in names.both or has_control(value):
        return line
    return b"%b: %b\r\n" % (name, harden(under_prefix(value, names), secure=secure))


def with_session(lines: Sequence[bytes], set_cookies: Sequence[bytes]) -> list[bytes]:
    """The lines of a response that also sets a renewed session: no cache may store it.

    The upstream's Cache-Control is dropped, and so are the targeted fields for single caches (RFC 9213).
    """
    kept = [line for line in lines if not _controls_caching(line.partition(b":")[0].lower())]
    cookies = [b"Set-Cookie: %b\r\n" % value for value in set_cookies]
    return [*kept, *cookies, b"Cache-Control: no-store\r\n", b"Vary: Cookie\r\n"]


def _controls_caching(lowered: bytes) -> bool:
    return lowered.endswith(b"cache-control") or lowered == b"surrogate-control"
