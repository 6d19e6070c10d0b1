"""What the head of an upstream's answer must be: an upstream is believed no more than a client.

The parser refuses what is ambiguous: two framings, two lengths, folded lines, bare line ends, control
characters. These rules refuse the rest.
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
    """Whether the first bytes of an answer can be HTTP: the parser also takes RTSP and ICE."""
    return _PROTOCOL.startswith(data[: len(_PROTOCOL)])


def check_status(status: int, version: str) -> None:
    """Raises UpstreamBroken for a status or a version that no client would understand."""
    if not _MIN_STATUS <= status <= _MAX_STATUS or version not in _VERSIONS:
        raise UpstreamBroken(reason="status or version out of range")


def check_framing(transfer_encoding: bytes | None, version: str) -> None:
    """Raises UpstreamBroken for a coding besides chunked, and for any in HTTP/1.0 (RFC 9112 section 6.1)."""
    if transfer_encoding is not None and (transfer_encoding != b"chunked" or version == "1.0"):
        raise UpstreamBroken(reason="transfer coding")


def check_size(headers: Sequence[Header], *, head_bytes: int, header_count: int) -> None:
    """Raises UpstreamBroken for a head that is larger than a client's may be."""
    if len(headers) > header_count:
        raise UpstreamBroken(reason="too many headers")
    if sum(len(name) + len(value) for name, value in headers) > head_bytes:
        raise UpstreamBroken(reason="head too large")


def accepts_websocket(headers: Iterable[Header], key: bytes) -> bool:
    """Whether a 101 opens the WebSocket that was asked for with this key (RFC 6455 section 4.1)."""
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
