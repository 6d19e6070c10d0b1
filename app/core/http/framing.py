"""Request line, size and framing of a request, and its framing for the upstream (RFC 9112, RFC 6455)."""

from collections.abc import Sequence

from app.core.http.headers import Header, RequestHeaders
from app.errors import (
    BodyTooLarge,
    CodingUnsupported,
    HeadTooLarge,
    MethodNotAllowed,
    MethodUnknown,
    RequestMalformed,
    TargetTooLong,
    VersionUnsupported,
)

_LENGTH_DIGITS = 18
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
# The parser accepts methods of RTSP and ICE too.
_OTHER_PROTOCOLS = frozenset(
    b"DESCRIBE ANNOUNCE SETUP PLAY PAUSE TEARDOWN GET_PARAMETER SET_PARAMETER REDIRECT RECORD FLUSH "
    b"SOURCE PRI".split()
)


def check_line(method: bytes, version: str) -> None:
    """Admit the method and version of a request line.

    Raises RequestMalformed, VersionUnsupported, MethodNotAllowed or MethodUnknown.
    """
    if version not in {"1.1", "1.0"}:
        if version == "0.9":  # the parser reports 0.9 for a line without a version
            raise RequestMalformed(reason="no version")
        raise VersionUnsupported(reason=version)
    if method in {b"TRACE", b"CONNECT"}:
        raise MethodNotAllowed(allow=_METHODS)
    if method in _OTHER_PROTOCOLS:
        raise MethodUnknown(reason="not a method of HTTP")


def check_framing(read: RequestHeaders, version: str) -> bool:
    """Whether the body is chunked. The parser has rejected ambiguous framing before.

    Raises RequestMalformed or CodingUnsupported.
    """
    length = read.content_length
    if length is not None and (not length.isdigit() or len(length) > _LENGTH_DIGITS):
        raise RequestMalformed(reason="Content-Length")
    if not read.transfer_encoding:
        return False
    if version == "1.0":
        raise RequestMalformed(reason="Transfer-Encoding on HTTP/1.0")  # RFC 9112 section 6.1
    if read.transfer_encoding.strip(b", \t").lower() != b"chunked":
        # The upstream would get the bytes of `gzip, chunked` still compressed (RFC 9112 section 6.1).
        raise CodingUnsupported
    return True


def check_length(read: RequestHeaders, limit: int) -> None:
    """Raises BodyTooLarge for a Content-Length above the limit (bytes; 0: no limit)."""
    if limit and read.content_length is not None and int(read.content_length) > limit:
        raise BodyTooLarge


def framing_line(read: RequestHeaders, *, chunked: bool) -> bytes:
    """The header line that frames the body towards the upstream; empty without a body."""
    if chunked:
        return b"transfer-encoding: chunked\r\n"
    if read.content_length is not None:
        return b"content-length: %b\r\n" % read.content_length
    return b""


def ignores_upgrade(read: RequestHeaders, *, chunked: bool) -> bool:
    """Whether Upgrade is ignored, and the request is served over HTTP/1.1 (RFC 9110 section 7.8).

    Not with a body, which would be lost because the parser stops at Upgrade, and not for a WebSocket, whose
    client cannot use another response.
    """
    return not chunked and read.content_length in {None, b"0"} and b"websocket" not in read.upgrade


def opens_websocket(method: bytes, version: str, read: RequestHeaders) -> bool:
    """Whether this is a WebSocket handshake without a body (RFC 6455 section 4.1)."""
    return (
        method == b"GET"
        and version == "1.1"
        and read.upgrade == b"websocket"
        and read.content_length is None
        and not read.transfer_encoding
    )


def check_size(  # noqa: PLR0917
    target: bytes,
    headers: Sequence[Header],
    head_bytes: int,
    most_target_bytes: int,
    most_headers: int,
    most_bytes: int,
) -> None:
    """Admit a head of this size. `head_bytes` is an upper bound: beyond the limit, the fields are counted.

    Raises TargetTooLong, HeadTooLarge.
    """
    if len(target) > most_target_bytes:
        raise TargetTooLong
    if len(headers) > most_headers:
        raise HeadTooLarge(reason="too many fields")
    if head_bytes > most_bytes and sum(len(name) + len(value) for name, value in headers) > most_bytes:
        raise HeadTooLarge(reason="too many bytes")
