"""What the lists of HTTP/1.1 checks are made of: a request, and what may come of it.

`/open/` is a route that needs no session.
"""

from typing import NamedTuple

BAD = frozenset({400})
UNKNOWN = frozenset({501})
LARGE = frozenset({414, 431})
VERSION = frozenset({400, 505})

HOST = b"Host: h\r\n"
GET = b"GET /open/ HTTP/1.1\r\n"
POST = b"POST /open/ HTTP/1.1\r\n" + HOST
SIZED = POST + b"Content-Length: "
CODED = POST + b"Transfer-Encoding: "
HELLO = b"Content-Length: 5\r\n\r\nhello"
TWICE = b"chunked\r\nTransfer-Encoding: chunked\r\n"
WHOLE = b"5\r\nhello\r\n0\r\n\r\n"
CHUNKED = CODED + b"chunked\r\n\r\n"


class Refused(NamedTuple):
    """A request that is refused; the connection cannot be trusted to be in step and ends."""

    name: str
    sent: bytes
    statuses: frozenset[int] = BAD


class Answered(NamedTuple):
    """A request that reaches the upstream as this body, and is answered."""

    name: str
    sent: bytes
    body: bytes = b""


def with_line(line: bytes) -> bytes:
    return line + b"\r\n" + HOST + b"\r\n"


def with_field(field: bytes) -> bytes:
    return GET + HOST + field + b"\r\n\r\n"
