"""The listening sockets: bound, named, and left without losing anybody who is at the door."""

import ctypes
import errno
import os
import resource
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

BACKLOG: Final = 2048  # connections that a listener queues, if net.core.somaxconn lets it
_ANY: Final = frozenset({"0.0.0.0", "::", "[::]", "*"})  # noqa: S104
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
# asm-generic/socket.h of Linux. A filter (classic BPF) on a listener: `ldb [13]; jset #SYN, drop; pass`
_SO_ATTACH_FILTER: Final = 26
_REFUSE_HANDSHAKES: Final = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


class PortTaken(Exception):
    """A listener's address is in use."""


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A socket that listens, beside those of other processes if all of them reuse the port.

    `0.0.0.0`, `::` and `*` each mean every address of the machine, of IPv4 and, where the kernel has it, of
    IPv6. A name means its first address, an IPv4 one if it has any. Raises PortTaken.
    """
    try:
        bound = _bind_any(port, reuse_port=reuse_port) if host in _ANY else _bind_one(host, port, reuse_port)
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        raise PortTaken(f"Cannot listen on {_joined(host, port)}: {reason}.") from error
    bound.set_inheritable(True)
    return bound


def _bind_any(port: int, *, reuse_port: bool) -> socket.socket:
    try:
        return socket.create_server(
            ("::", port),
            family=socket.AF_INET6,
            backlog=BACKLOG,
            reuse_port=reuse_port,
            dualstack_ipv6=True,
        )
    except (OSError, ValueError) as error:  # ValueError: this machine has no sockets for both
        if isinstance(error, OSError) and error.errno not in _NO_IPV6:
            raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG, reuse_port=reuse_port)  # noqa: S104


def _bind_one(host: str, port: int, reuse_port: bool) -> socket.socket:  # noqa: FBT001
    name = host.removeprefix("[").removesuffix("]")
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    family, *_, address = min(found, key=lambda each: each[0] is not socket.AF_INET)
    return socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=reuse_port)


def refuse_handshakes(listener: socket.socket) -> None:
    """Take no new handshakes, but whoever has begun one.

    Those who have knocked and were not let in yet are reset when the socket closes: with several sockets for
    one port, they could have gone to another. A client whose first packet is dropped here sends it again in a
    second, and the other process gets it. Where there are no such filters, nothing happens.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _REFUSE_HANDSHAKES)
    memory = ctypes.create_string_buffer(program, len(program))
    with suppress(OSError):
        filters = struct.pack("HP", len(_REFUSE_HANDSHAKES), ctypes.addressof(memory))
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filters)


def url_of(listener: socket.socket) -> str:
    """What to type to reach it from this machine, and which addresses it stands for."""
    host, port = listener.getsockname()[:2]
    if host in _ANY:
        families = "IPv4 and IPv6" if listener.family is socket.AF_INET6 else "IPv4"
        return f"http://localhost:{port} (every {families} address)"
    return f"http://{_joined(host, port)}"


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def raise_file_limit() -> None:
    """Each client takes a file descriptor, and so does each upstream connection."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
