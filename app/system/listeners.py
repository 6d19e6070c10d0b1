"""Listening sockets: bind them, name them, and close them without losing a connection."""

import ctypes
import errno
import os
import resource
import socket
import struct
import sys
from contextlib import suppress
from typing import Final

BACKLOG: Final = 2048  # connections that a listener queues, at most net.core.somaxconn
_ANY: Final = frozenset({"0.0.0.0", "::", "[::]", "*"})  # noqa: S104
_NO_IPV6: Final = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL, errno.EPROTONOSUPPORT})
# asm-generic/socket.h of Linux. A filter (classic BPF) on a listener: `ldb [13]; jset #SYN, drop; pass`
_SO_ATTACH_FILTER: Final = 26
_REFUSE_HANDSHAKES: Final = ((0x30, 0, 0, 13), (0x45, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))


class PortTaken(Exception):
    """A listener's address is in use."""


def bind(host: str, port: int, *, reuse_port: bool = False) -> socket.socket:
    """A listening socket. With `reuse_port`, other processes may listen on the same port.

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
    except (OSError, ValueError) as error:  # ValueError: this machine has no dual-stack sockets
        if isinstance(error, OSError) and error.errno not in _NO_IPV6:
            raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG, reuse_port=reuse_port)  # noqa: S104


def _bind_one(host: str, port: int, reuse_port: bool) -> socket.socket:  # noqa: FBT001
    name = host.removeprefix("[").removesuffix("]")
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    family, *_, address = min(found, key=lambda each: each[0] is not socket.AF_INET)
    return socket.create_server(address, family=family, backlog=BACKLOG, reuse_port=reuse_port)


def refuse_handshakes(listener: socket.socket) -> None:
    """Accept handshakes that have begun, and drop new ones.

    Closing the socket resets connections that are not yet accepted; with several sockets on one port, another
    process could have accepted them. A client whose SYN is dropped here sends it again after a second, and
    another process gets it. Linux only; elsewhere this does nothing.
    """
    if sys.platform != "linux":
        return
    program = b"".join(struct.pack("HBBI", *step) for step in _REFUSE_HANDSHAKES)
    memory = ctypes.create_string_buffer(program, len(program))
    with suppress(OSError):
        filters = struct.pack("HP", len(_REFUSE_HANDSHAKES), ctypes.addressof(memory))
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, filters)


def url_of(listener: socket.socket) -> str:
    """Its URL on this machine, and the addresses that it covers."""
    host, port = listener.getsockname()[:2]
    if host in _ANY:
        families = "IPv4 and IPv6" if listener.family is socket.AF_INET6 else "IPv4"
        return f"http://localhost:{port} (every {families} address)"
    return f"http://{_joined(host, port)}"


def _joined(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def raise_file_limit() -> None:
    """Raise the soft limit of files to the hard one: each connection needs a file descriptor."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
