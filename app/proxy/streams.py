"""What long-lived answers and tunnels are held to: how long they may be silent, how they are cut."""

import asyncio
import socket
import struct
from typing import Final

from app.core.http.routing import Route
from app.proxy.limits import Limits
from app.proxy.upstream import UpstreamConnection

GRACE_SECONDS: Final = 5.0  # an answer that a token's last moment has admitted may be finished
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
# A dead peer is noticed after two minutes
_KEEPALIVE: Final = (
    ("TCP_KEEPIDLE", 60),
    ("TCP_KEEPINTVL", 15),
    ("TCP_KEEPCNT", 4),
)


def stall_seconds(route: Route, limits: Limits, *, is_endless: bool) -> float:
    """How long an answer may bring nothing; 0: for ever.

    An event stream is silent while nothing happens, so only its route's own setting counts.
    """
    if route.stall_seconds is not None:
        return route.stall_seconds
    return 0.0 if is_endless else limits.upstream_stall_seconds


def first_byte_seconds(route: Route, limits: Limits) -> float:
    """How long the first byte of an answer may take; 0: for ever."""
    own = route.first_byte_seconds
    return limits.upstream_first_byte_seconds if own is None else own


def notice_dead_peers(client: asyncio.BaseTransport, upstream: UpstreamConnection | None) -> None:
    """Have the system probe connections that may be silent for long: a peer may be gone without a word."""
    for transport in (client, upstream.transport if upstream is not None else None):
        _probe(transport)


def _probe(transport: asyncio.BaseTransport | None) -> None:
    sock = transport.get_extra_info("socket") if transport is not None else None
    if sock is None or sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE:
        option = getattr(socket, name, None)  # macOS has other names
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def cut(transport: asyncio.Transport, *, ends_by_closing: bool) -> None:
    """End a connection within an answer, so that the answer cannot be taken for a whole one.

    Where closing is how the answer ends, only a reset says that it did not.
    """
    if ends_by_closing:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
