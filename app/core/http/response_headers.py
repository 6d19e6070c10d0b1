"""Which headers of an upstream's answer cross to the client, and what they say about the answer itself."""

from collections.abc import Iterable, Sequence
from typing import Final

from app.core.http.header_kinds import REMEMBERED_BYTES, REMEMBERED_NAMES
from app.core.http.headers import Header, without_nominated
from app.core.http.protection import PROTECTS
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import under_prefix

_RESPONSE_DROPPED = frozenset(
    {
        b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"proxy-authenticate",
        b"proxy-authentication-info", b"proxy-authorization", b"x-request-id",
        b"server", b"x-powered-by",  # names and versions help an attacker alone
    }
)  # fmt: skip

_CROSSES: Final = 0
_STAYS: Final = 1
_FRAMES: Final = 2
_CACHES: Final = 3
_SETS_COOKIE: Final = 4  # or clears them
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
_KINDS_BACK: dict[bytes, int] = {}


def _kind_back(name: bytes) -> int:
    """What becomes of a response header. Short names are remembered as written."""
    kind = _KINDS_BACK.get(name)
    if kind is None:
        kind = _classify_back(name.lower())
        if len(name) <= REMEMBERED_BYTES and len(_KINDS_BACK) < REMEMBERED_NAMES:
            _KINDS_BACK[name] = kind
    return kind


def _classify_back(lowered: bytes) -> int:
    if lowered in _RESPONSE_DROPPED:
        return _STAYS
    if lowered.startswith(b"access-control-"):
        return _CORS
    return _KINDS_KNOWN.get(lowered, _CROSSES)


class ResponseHeaders:
    """An upstream's headers, read once: its framing, and the lines that are the client's to see.

    Names stay as written; order and duplicates are kept.
    """

    content_length: bytes | None = None
    transfer_encoding: bytes | None = None
    says_caching = False  # whether Cache-Control is there, whatever it says
    sets_cookies = False  # or clears them
    locations: Sequence[int] = ()  # which of the lines are Location or Content-Location
    is_particular = False  # whether what crosses depends on the route, beyond `lines`
    is_event_stream = False
    present = 0  # bits of the fields that protect a page (core/http/protection.py)

    def __init__(self, headers: Iterable[Header]) -> None:
        connection = b""
        lines: list[bytes] = []
        cors: list[bytes] = []
        for name, value in headers:
            kind = _kind_back(name)
            if kind == _CROSSES:
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind == _TYPE:
                lines.append(b"%b: %b\r\n" % (name, value))
                self.is_event_stream = value[: len(_EVENT_STREAM)].lower() == _EVENT_STREAM
            elif kind == _LOCATES:
                self.locations = (*self.locations, len(lines))
                self.is_particular = True
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind == _FRAMES:
                connection = self._read_framing(name.lower(), value, connection)
            elif kind == _CORS:
                cors.append(b"%b: %b\r\n" % (name, value))
                self.is_particular = True
            elif kind != _STAYS:
                lines.append(b"%b: %b\r\n" % (name, value))
                self._note(kind, name)
        self.closes = b"close" in connection.lower()
        self.lines = without_nominated(lines, connection)
        # For routes without a session; elsewhere CORS is the gateway's own
        self.cors = without_nominated(cors, connection)
        if len(self.lines) != len(lines):
            self._note_again()

    def _read_framing(self, lowered: bytes, value: bytes, connection: bytes) -> bytes:
        if lowered == b"content-length":
            self.content_length = value
        elif lowered == b"transfer-encoding":
            earlier = self.transfer_encoding
            self.transfer_encoding = value.lower() if earlier is None else b"%b,%b" % (earlier, value)
        else:
            return b"%b,%b" % (connection, value) if connection else value
        return connection

    def _note(self, kind: int, name: bytes) -> None:
        if kind == _CACHES:
            self.says_caching = True
        elif kind == _SETS_COOKIE:
            self.sets_cookies = self.is_particular = True
        else:
            self.present |= PROTECTS[name.lower()]

    def _note_again(self) -> None:
        """Note what is left after Connection has named some fields away."""
        names = [line.partition(b":")[0].lower() for line in self.lines]
        self.says_caching = b"cache-control" in names
        self.locations = tuple(at for at, name in enumerate(names) if _kind_back(name) == _LOCATES)
        self.present = 0
        for name in names:
            self.present |= PROTECTS.get(name, 0)


def with_prefix(lines: Sequence[bytes], names: CookieNames) -> list[bytes]:
    """The lines of an answer with the session's cookies under the prefix that clients keep them by."""
    return [_with_prefix(line, names) for line in lines]


def _with_prefix(line: bytes, names: CookieNames) -> bytes:
    name, _, value = line.partition(b":")
    if name.lower() != b"set-cookie":
        return line
    return b"%b: %b\r\n" % (name, under_prefix(value.strip(), names))


def with_session(lines: Sequence[bytes], set_cookies: Sequence[bytes]) -> list[bytes]:
    """The lines of an answer that also brings a session: no cache may keep it, whatever the upstream says.

    That goes for the fields that speak to one kind of cache alone as well (RFC 9213).
    """
    kept = [line for line in lines if not _speaks_of_caching(line.partition(b":")[0].lower())]
    cookies = [b"Set-Cookie: %b\r\n" % value for value in set_cookies]
    return [*kept, *cookies, b"Cache-Control: no-store\r\n", b"Vary: Cookie\r\n"]


def _speaks_of_caching(lowered: bytes) -> bool:
    return lowered.endswith(b"cache-control") or lowered == b"surrogate-control"
