"""How a request begins and is framed, and what of that goes upstream (RFC 9112, RFC 6455)."""

from app.core.http.headers import RequestHeaders
from app.errors import (
    BodyTooLarge,
    CodingUnsupported,
    MethodNotAllowed,
    MethodUnknown,
    RequestMalformed,
    VersionUnsupported,
)

_LENGTH_DIGITS = 18
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
# The parser speaks RTSP and ICE as well, and does not tell.
_OTHER_PROTOCOLS = frozenset(
    b"DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH "
    b"SOURCE PRI".split()
)


def check_line(method: bytes, version: str) -> None:
    """Admit the method and version of a request line."""
    if version not in {"1.1", "1.0"}:
        if version == "0.9":  # the parser's word for a line that names none
            raise RequestMalformed(reason="no version")
        raise VersionUnsupported(reason=version)
    if method in {b"TRACE", b"CONNECT"}:
        raise MethodNotAllowed(allow=_METHODS)
    if method in _OTHER_PROTOCOLS:
        raise MethodUnknown(reason="not a method of HTTP")


def check_framing(read: RequestHeaders, version: str) -> bool:
    """Whether the body is chunked. The parser has refused what is ambiguous; this refuses the rest."""
    length = read.content_length
    if length is not None and (not length.isdigit() or len(length) > _LENGTH_DIGITS):
        raise RequestMalformed(reason="Content-Length")
    if not read.transfer_encoding:
        return False
    if version == "1.0":
        raise RequestMalformed(reason="Transfer-Encoding on HTTP/1.0")  # RFC 9112 section 6.1
    if read.transfer_encoding.strip(b", \t").lower() != b"chunked":
        # `gzip, chunked` would reach the upstream as plain bytes that are not (RFC 9112 section 6.1).
        raise CodingUnsupported
    return True


def check_length(read: RequestHeaders, limit: int) -> None:
    """Refuse a body whose length is known and above the limit (bytes; 0: none), before it is sent."""
    if limit and read.content_length is not None and int(read.content_length) > limit:
        raise BodyTooLarge


def framing_line(read: RequestHeaders, *, chunked: bool) -> bytes:
    if chunked:
        return b"transfer-encoding: chunked\r\n"
    if read.content_length is not None:
        return b"content-length: %b\r\n" % read.content_length
    return b""


def ignorable(read: RequestHeaders, *, chunked: bool) -> bool:
    """Whether a request that asks for another protocol is served as if it had not (RFC 9110 section 7.8).

    A body would be lost, for the parser stops at Upgrade; and a WebSocket's client has no use for HTTP.
    """
    return not chunked and read.content_length in {None, b"0"} and b"websocket" not in read.upgrade


def opens_websocket(method: bytes, version: str, read: RequestHeaders) -> bool:
    """Whether this is a WebSocket handshake (RFC 6455 section 4.1); it has no body that could be lost."""
    return (
        method == b"GET"
        and version == "1.1"
        and read.upgrade == b"websocket"
        and read.content_length is None
        and not read.transfer_encoding
    )
