"""One gigabyte through a peer, down or up, over one connection; speed, CPU and memory."""

import socket
import time
from collections.abc import Callable

from bench.figures import Sample
from bench.http1 import Broken, Request, Response, ask, connect, read_response
from bench.peers.peer import Running
from bench.process import cpu_seconds, peak_resident_bytes, reset_peak, resident_bytes
from bench.upstream import BIG_BYTES, BIG_PATH

_PIECE = bytes(1 << 18)


def stream_down(peer: Running) -> Sample:
    def transfer(connection: socket.socket) -> None:
        response = ask(connection, peer.port, Request(f"/rest{BIG_PATH}", peer.headers))
        if response != Response(200, BIG_BYTES):
            raise Broken(f"status {response.status} with {response.body_bytes} bytes")

    return _measured(peer, transfer)


def stream_up(peer: Running) -> Sample:
    headers = {**peer.headers, "Origin": peer.origin, "Content-Length": str(BIG_BYTES)}
    headers["Content-Type"] = "application/octet-stream"

    def transfer(connection: socket.socket) -> None:
        connection.sendall(Request("/rest/task", headers, "POST").head(peer.port))
        for _ in range(BIG_BYTES // len(_PIECE)):
            connection.sendall(_PIECE)
        status = read_response(connection).status
        if status != 200:
            raise Broken(f"status {status}")

    return _measured(peer, transfer)


def _measured(peer: Running, transfer: Callable[[socket.socket], None]) -> Sample:
    reset_peak(peer.pid)
    memory, cpu = resident_bytes(peer.pid), cpu_seconds(peer.pid)
    start = time.monotonic()
    with connect(peer.port, seconds=120) as connection:
        transfer(connection)
    seconds = time.monotonic() - start
    return {
        "mb_s": BIG_BYTES / seconds / 1e6,
        "cpu_s": cpu_seconds(peer.pid) - cpu,
        "growth_mb": (peak_resident_bytes(peer.pid) - memory) / 1e6,
    }
