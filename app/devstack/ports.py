"""Loopback ports: whether one is free, a free one, and whether a server responds.

Free ports are chosen below the kernel's range for outgoing connections, so a port is much less likely to be
taken before its use than with port 0.
"""

import errno
import http.client
import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack

LOWEST_PORT = 20_000
HIGHEST_PORT = 31_999
ATTEMPTS = 200
PROBE_SECONDS = 1.0  # PostgREST 12 accepts and never responds if it started without its database

LOOPBACKS = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def is_port_free(port: int) -> bool:
    """Whether the port is free on 127.0.0.1 and ::1: a browser may use either for localhost."""
    with ExitStack() as sockets:
        for family, address in _usable_loopbacks():
            probe = sockets.enter_context(socket.socket(family, socket.SOCK_STREAM))
            # A server may bind a port with connections in TIME_WAIT
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            try:
                probe.bind((address, port))
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
                return False
    return True


def free_port() -> int:
    """A loopback port that is free now. The caller must try another if it has been taken."""
    for _ in range(ATTEMPTS):
        port = random.randint(LOWEST_PORT, HIGHEST_PORT)  # noqa: S311 (not a secret)
        if is_port_free(port):
            return port
    raise OSError(f"no free port between {LOWEST_PORT} and {HIGHEST_PORT}")


def responds_ok(port: int, path: str) -> bool:
    """Whether a server on this port of 127.0.0.1 responds to a GET with 200, within a second."""
    probe = http.client.HTTPConnection("127.0.0.1", port, timeout=PROBE_SECONDS)
    try:
        probe.request("GET", path)
        return probe.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        probe.close()


def _usable_loopbacks() -> Iterator[tuple[socket.AddressFamily, str]]:
    for family, address in LOOPBACKS:
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.bind((address, 0))
        except OSError:  # no IPv6 here
            continue
        yield family, address
