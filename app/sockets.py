"""The listening sockets: bound, named, and left without losing anybody who is at the door."""

import ctypes
import os
import resource
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

BACKLOG: Final = 2048  # connections that a listener queues, if net.core.somaxconn lets it
# asm-generic/socket.h of Linux. A filter (classic BPF) on a listener: `ldb [13]; jset #SYN, drop; pass`
_SO_ATTACH_FILTER: Final = 26
_TURN_AWAY: Final = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


class PortTaken(Exception):
    """A listener's address is in use."""


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A socket that listens, beside those of other processes if all of them reuse the port.

    Raises PortTaken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        bound = socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=reuse_port)
    except OSError as error:
        raise PortTaken(f"Cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}.") from error
    bound.set_inheritable(True)
    return bound


def turn_away(listener: socket.socket) -> None:
    """Take no new handshakes, but whoever has begun one.

    Those who have knocked and were not let in yet are reset when the socket closes: with several sockets for
    one port, they could have gone to another. A client whose first packet is dropped here sends it again in a
    second, and the other process gets it. Where there are no such filters, nothing happens.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _TURN_AWAY)
    memory = ctypes.create_string_buffer(program, len(program))
    with suppress(OSError):
        filters = struct.pack("HP", len(_TURN_AWAY), ctypes.addressof(memory))
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filters)


def url_of(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def raise_file_limit() -> None:
    """Each client takes a file descriptor, and so does each upstream connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
