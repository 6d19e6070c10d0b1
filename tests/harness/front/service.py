"""A service that knows nothing of sessions: it keeps what it was asked, and waits where a test wants it."""

import json
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha1
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from typing_extensions import override

from harness.relay.deadlines import PATIENCE_SECONDS

_WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_PIECE_BYTES = 65_536
EVENTS = "/files/events"
ROWS = "/files/rows"
STREAMS = {EVENTS: "text/event-stream", ROWS: "application/json"}  # in two pieces, with a wait between them
FLOOD = "/files/flood"
FLOOD_BYTES = 1024 * _PIECE_BYTES
LONG_HEAD = "/files/long"
REFUSED = "/files/refused"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the service saw it."""

    method: str
    target: str
    fields: tuple[tuple[str, str], ...]  # names in lower case

    def values(self, name: str) -> list[str]:
        return [value for other, value in self.fields if other == name]


@dataclass
class Service:
    port: int = 0
    asked: list[Asked] = field(default_factory=list)
    arrived: int = 0  # bytes of bodies
    sent: int = 0  # bytes of a flood
    left: int = 0  # answers whose reader went away
    go_on: threading.Event = field(default_factory=threading.Event)  # between two events of a stream

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def last(self) -> Asked:
        return self.asked[-1]

    def forget(self) -> None:
        self.asked.clear()
        self.arrived = self.sent = self.left = 0
        self.go_on.clear()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: Service

    def do_GET(self) -> None:
        self._note()
        if self.headers["Upgrade"] == "websocket":
            self._echo()
        elif self.path == FLOOD:
            self._flood()
        elif self.path in STREAMS:
            self._stream(STREAMS[self.path])
        elif self.path == REFUSED:
            self._answer(401, b"not you", "text/plain")
        else:
            self._answer(200, json.dumps({"target": self.path}).encode(), "application/json")

    def do_POST(self) -> None:
        self._note()
        size = 0
        for piece in self._pieces():
            size += len(piece)
            self.service.arrived += len(piece)
        self._answer(200, b"%d" % size, "text/plain")

    def do_HEAD(self) -> None:
        self._note()
        self._answer(200, b"", "application/json")

    def do_OPTIONS(self) -> None:
        self._note()
        self.send_response(204)
        self.send_header("Access-Control-Allow-Origin", "*")
        self.end_headers()

    def _note(self) -> None:
        fields = tuple((name.lower(), value) for name, value in self.headers.items())
        self.service.asked.append(Asked(self.command, self.path, fields))

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "max-age=60")
        self.send_header("Set-Cookie", "own=1; Path=/files/")
        if self.path == LONG_HEAD:
            for name in ("a", "b"):
                self.send_header("Set-Cookie", f"{name}={'x' * 4_000}")
        self.end_headers()
        self.wfile.write(body)

    def _pieces(self) -> Iterator[bytes]:
        """The body as it comes."""
        if self.headers["Transfer-Encoding"] == "chunked":
            while size := int(self.rfile.readline(), 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers["Content-Length"] or 0)
        while left:
            piece = self.rfile.read1(min(left, _PIECE_BYTES))
            left -= len(piece)
            yield piece

    def _stream(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for number in (1, 2):
            piece = b"data: %d\n\n" % number
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if number == 1:
                self.service.go_on.wait(PATIENCE_SECONDS)
        self.wfile.write(b"0\r\n\r\n")

    def _flood(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(FLOOD_BYTES))
        self.end_headers()
        piece = bytes(_PIECE_BYTES)
        try:
            while self.service.sent < FLOOD_BYTES:
                self.wfile.write(piece)
                self.service.sent += len(piece)
        except OSError:
            self.service.left += 1
            self.close_connection = True

    def _echo(self) -> None:
        """Accept (RFC 6455 section 4.2.2), and send back the bytes of what comes."""
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header(
            "Sec-WebSocket-Accept",
            b64encode(sha1(key + _WEBSOCKET_GUID, usedforsecurity=False).digest()).decode(),
        )
        self.end_headers()
        while data := self.rfile.read1(_PIECE_BYTES):
            self.wfile.write(data)
        self.close_connection = True

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@contextmanager
def serve() -> Iterator[Service]:
    service = Service()
    handler = type("Handler", (_Handler,), {"service": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        service.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield service
        server.shutdown()
        thread.join()
