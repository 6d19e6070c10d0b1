"""Checks of an upstream's response head: an upstream is trusted no more than a client.

The parser rejects ambiguous heads: two framings, two lengths, folded lines, bare line ends, control
characters. These functions reject the other invalid ones.
"""

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from app.core.http.headers import Header
from app.errors import UpstreamBroken

_MIN_STATUS: Final = 100
_MAX_STATUS: Final = 599
_VERSIONS: Final = ("1.1", "1.0")
_PROTOCOL: Final = b"HTTP/"
_ACCEPT_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


def opens_http(data: bytes) -> bool:
    """Whether the first bytes of a response can be HTTP: the parser accepts RTSP and ICE too."""
    return _PROTOCOL.startswith(data[: len(_PROTOCOL)])


def check_status(status: int, version: str) -> None:
    """Raises UpstreamBroken for a status outside 100 to 599 or a version besides HTTP/1.1 and 1.0."""
    if not _MIN_STATUS <= status <= _MAX_STATUS or version not in _VERSIONS:
        raise UpstreamBroken(reason="status or version out of range")


def check_framing(transfer_encoding: bytes | None, version: str) -> None:
    """Raises UpstreamBroken for a coding besides chunked, any in HTTP/1.0 (RFC 9112 section 6.1)."""
    if transfer_encoding is not None and (transfer_encoding != b"chunked" or version == "1.0"):
        raise UpstreamBroken(reason="transfer coding")


def check_size(headers: Sequence[Header], *, head_bytes: int, header_count: int) -> None:
    """Raises UpstreamBroken for a head above the bounds of request heads."""
    if len(headers) > header_count:
        raise UpstreamBroken(reason="too many headers")
    if sum(len(name) + len(value) for name, value in headers) > head_bytes:
        raise UpstreamBroken(reason="head too large")


def accepts_websocket(headers: Iterable[Header], key: bytes) -> bool:
    """Whether a 101 response accepts the WebSocket handshake with this key (RFC 6455 section 4.1)."""
    upgrade: list[bytes] = []
    connection: list[bytes] = []
    accept: list[bytes] = []
    for name, value in headers:
        lowered = name.lower()
        if lowered == b"upgrade":
            upgrade.append(value.strip().lower())
        elif lowered == b"connection":
            connection += (token.strip().lower() for token in value.split(b","))
        elif lowered == b"sec-websocket-accept":
            accept.append(value.strip())
    digest = hashlib.sha1(key + _ACCEPT_SUFFIX, usedforsecurity=False).digest()
    return upgrade == [b"websocket"] and b"upgrade" in connection and accept == [base64.b64encode(digest)]
