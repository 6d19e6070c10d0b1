"""An upstream that reads the complete request body before it responds, as PostgREST does.

nginx's `return` responds after the head, and a peer may then abort the upload.
"""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path

from typing_extensions import override

from bench.bed import Upstream
from bench.http1 import Broken, count_body, read_head

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


class _Handler(socketserver.BaseRequestHandler):
    @override
    def handle(self) -> None:
        connection: socket.socket = self.request
        with contextlib.suppress(Broken, OSError):
            while True:
                _, headers, rest = read_head(connection)
                if headers.get("expect") == "100-continue":
                    connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                count_body(connection, headers, rest)
                connection.sendall(_ANSWER)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 512


@contextlib.contextmanager
def sink_upstream(_: Path, __: str) -> Iterator[Upstream]:
    with _Server(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield Upstream("a sink that reads the body to its end", server.server_address[1])
        finally:
            server.shutdown()
            thread.join()
