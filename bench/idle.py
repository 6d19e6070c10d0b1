"""Memory of idle connections that were used once, as browsers keep them."""

import contextlib
import resource
import select
import socket

from bench.figures import Sample
from bench.http1 import Broken, Request, ask, connect
from bench.peers.peer import Running
from bench.process import proportional_bytes

CONNECTIONS = 10_000
_SPARE_DESCRIPTORS = 1_000


def raise_descriptor_limit() -> None:
    """Raise the limit to the hard one, for this process and the peers."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def hold_idle(peer: Running) -> Sample:
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit < CONNECTIONS + _SPARE_DESCRIPTORS:
        raise Broken(f"only {limit} open files are allowed here: raise ulimit -n")
    before = proportional_bytes(peer.pid)
    request = Request("/rest/task", peer.headers)
    with contextlib.ExitStack() as stack:
        held: list[socket.socket] = []
        for number in range(CONNECTIONS):
            connection = stack.enter_context(connect(peer.port))
            if (status := ask(connection, peer.port, request).status) != 200:
                raise Broken(f"connection {number} got status {status}")
            held.append(connection)
        if closed := _closed(held):
            raise Broken(f"{closed} of {CONNECTIONS} connections were closed by the peer")
        memory = proportional_bytes(peer.pid)
    return {"memory_mb": memory / 1e6, "each_kb": (memory - before) / CONNECTIONS / 1e3}


def _closed(connections: list[socket.socket]) -> int:
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN | select.POLLRDHUP)
    return len(poll.poll(0))
