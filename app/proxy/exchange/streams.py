"""Long-lived responses and tunnels at the level of their sockets: dead peers, and how a response is cut."""

import asyncio
import socket
import struct
from typing import Final

from app.proxy.upstream.link import UpstreamLink

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
# A dead peer is noticed after two minutes
_KEEPALIVE: Final = (
    ("TCP_KEEPIDLE", 60),
    ("TCP_KEEPINTVL", 15),
    ("TCP_KEEPCNT", 4),
)


def notice_dead_peers(client: asyncio.BaseTransport, upstream: UpstreamLink | None) -> None:
    """Have the system probe connections that may be silent for long: a peer may be gone without notice."""
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
    """End a connection within a response, so that the response cannot be taken for a whole one.

    Where closing is how the response ends, only a reset says that it did not.
    """
    if ends_by_closing:
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        transport.abort()
    else:
        transport.close()
