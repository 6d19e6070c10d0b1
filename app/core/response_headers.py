"""Which headers of an upstream's answer cross to the client, and what they say about the answer itself."""

from collections.abc import Iterable, Sequence
from typing import Final

from app.core.cookies import CookieNames, under_prefix
from app.core.header_kinds import REMEMBERED_BYTES, REMEMBERED_NAMES
from app.core.headers import Header, without_nominated

_RESPONSE_DROPPED = frozenset(
    {
        b"keep-alive", b"proxy-connection", b"te", b"trailer", b"upgrade", b"proxy-authenticate",
        b"proxy-authentication-info", b"proxy-authorization", b"x-request-id",
    }
)  # fmt: skip
_RESPONSE_FRAMING = frozenset({b"content-length", b"transfer-encoding", b"connection"})


_CROSSES: Final = 0
_STAYS: Final = 1
_FRAMES: Final = 2
_CACHES: Final = 3
_SETS_COOKIE: Final = 4
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
    if lowered in _RESPONSE_FRAMING:
        return _FRAMES
    if lowered == b"cache-control":
        return _CACHES
    if lowered == b"set-cookie":
        return _SETS_COOKIE
    # The gateway owns CORS and the request id, so the upstream's word about them stays here.
    if lowered in _RESPONSE_DROPPED or lowered.startswith(b"access-control-"):
        return _STAYS
    return _CROSSES


class ResponseHeaders:
    """An upstream's headers, read once: its framing, and the lines that are the client's to see.

    Names stay as written; order and duplicates are kept.
    """

    content_length: bytes | None = None
    transfer_encoding: bytes | None = None
    says_caching = False  # whether Cache-Control is there, whatever it says
    sets_cookies = False

    def __init__(self, headers: Iterable[Header]) -> None:
        connection = b""
        lines: list[bytes] = []
        for name, value in headers:
            kind = _kind_back(name)
            if kind == _CROSSES:
                lines.append(b"%b: %b\r\n" % (name, value))
            elif kind == _CACHES:
                lines.append(b"%b: %b\r\n" % (name, value))
                self.says_caching = True
            elif kind == _SETS_COOKIE:
                lines.append(b"%b: %b\r\n" % (name, value))
                self.sets_cookies = True
            elif kind == _FRAMES:
                lowered = name.lower()
                if lowered == b"content-length":
                    self.content_length = value
                elif lowered == b"transfer-encoding":
                    earlier = self.transfer_encoding
                    self.transfer_encoding = value.lower() if earlier is None else b"%b,%b" % (earlier, value)
                else:
                    connection = b"%b,%b" % (connection, value) if connection else value
        self.closes = b"close" in connection.lower()
        self.lines = without_nominated(lines, connection)
        if self.says_caching and len(self.lines) != len(lines):  # it may have been named away
            self.says_caching = any(line.lower().startswith(b"cache-control:") for line in self.lines)


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
