"""Heads as bytes on the wire: request heads, status lines, the gateway's responses, chunks (RFC 9112)."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from app.core.http.forwarding import Client
from app.errors import Headers

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\n"
UPGRADE_LINES = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
# A shared cache must not store the response to a user, unless SQL sets Cache-Control (RFC 9111 section
# 5.2.2.7)
PRIVATE: Final = b"Cache-Control: private\r\nVary: Cookie\r\n"
CHUNKED: Final = b"Transfer-Encoding: chunked\r\n"
LAST_CHUNK = b"0\r\n\r\n"
_CLOSE = b"Connection: close\r\n"


def _status_line(status: int) -> bytes:
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return b"HTTP/1.1 %d %b\r\n" % (status, phrase.encode())


STATUS_LINES = {status: _status_line(status) for status in range(100, 600)}


def request_head(
    method: bytes,
    target: bytes,
    authority: bytes,
    *,
    lines: Sequence[bytes],
    client: Client,
    request_id: bytes,
    cookie: bytes,
    authorization: bytes,
    framing: bytes,
    upgrade: bytes = b"",
    trace: bytes = b"",
    prefix: bytes = b"",
) -> bytes:
    """The request head for an upstream. The gateway's fields come last, after Connection has been applied."""
    return b"".join(
        (
            b"%b %b HTTP/1.1\r\nHost: %b\r\n" % (method, target, authority),
            *lines,
            client.lines,
            client.host,
            b"\r\nX-Request-Id: ",
            request_id,
            trace,
            b"\r\ncookie: %b\r\n" % cookie if cookie else b"\r\n",
            prefix,
            authorization,
            framing,
            upgrade,
            b"\r\n",
        )
    )


def whole_response(status: int, headers: Headers, body: bytes, *, close: bool, head_only: bool) -> bytes:
    """A complete response of the gateway itself."""
    lines = [STATUS_LINES[status]]
    lines.extend(b"%b: %b\r\n" % header for header in headers)
    if status != HTTPStatus.NO_CONTENT:
        lines.append(b"Content-Length: %d\r\n" % len(body))
    if close:
        lines.append(_CLOSE)
    lines.append(b"\r\n")
    if not head_only:
        lines.append(body)
    return b"".join(lines)


def split_at_id(response: bytes, request_id: bytes) -> tuple[bytes, bytes]:
    """A response of the gateway before and after its request id, to send it again with another id."""
    line = b"\r\nX-Request-Id: "
    start = response.index(line + request_id) + len(line)
    return response[:start], response[start + len(request_id) :]


def response_framing(
    status: int, content_length: bytes | None, *, is_head: bool, is_chunkable: bool
) -> bytes | None:
    """The line that frames a relayed response for its client (RFC 9112 section 6.3).

    Empty: no body. None: only closing the connection can end the body.
    """
    if status == HTTPStatus.NO_CONTENT:
        return b""
    if content_length is not None:
        return b"Content-Length: %b\r\n" % content_length
    if is_head or status == HTTPStatus.NOT_MODIFIED:
        return b""
    return CHUNKED if is_chunkable else None


def chunk(data: bytes) -> bytes:
    """One chunk of chunked transfer coding (RFC 9112 section 7.1)."""
    return b"%x\r\n%b\r\n" % (len(data), data)
