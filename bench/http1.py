"""A small blocking HTTP/1.1 client: one request, the status and the length of the body.

For measurements without wrk: readiness, streams of a gigabyte, idle connections. It reads bodies with
Content-Length, chunked, and until close; it checks nothing else.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass, field

_BUFFER_BYTES = 1 << 20


class Broken(RuntimeError):
    """The server closed early, or its response is not HTTP/1.1."""


@dataclass(frozen=True)
class Request:
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"

    def head(self, port: int) -> bytes:
        lines = [f"{self.method} {self.path} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii")


@dataclass(frozen=True)
class Response:
    status: int
    body_bytes: int


def connect(port: int, *, seconds: float = 30.0) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=seconds)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection: socket.socket, port: int, request: Request) -> Response:
    connection.sendall(request.head(port))
    return read_response(connection)


def read_response(connection: socket.socket) -> Response:
    start_line, headers, rest = read_head(connection)
    version, _, status = start_line.partition(" ")
    if not version.startswith("HTTP/1."):
        raise Broken(f"not an HTTP/1.1 response: {start_line[:40]!r}")
    until_close = not {"content-length", "transfer-encoding"} & headers.keys()
    body_bytes = _count(connection, len(rest), None) if until_close else 0
    return Response(int(status[:3]), body_bytes or count_body(connection, headers, rest))


def read_head(connection: socket.socket) -> tuple[str, dict[str, str], bytes]:
    """The start line of a message, its headers, and the received bytes of the body."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(65536)
        if not piece:
            raise Broken("closed before a message")
        received += piece
    head, _, rest = received.partition(b"\r\n\r\n")
    start_line, *lines = head.decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return start_line, {name.lower(): value.strip() for name, _, value in pairs}, rest


def count_body(connection: socket.socket, headers: Mapping[str, str], rest: bytes) -> int:
    """Receive a body and return its length in bytes."""
    if headers.get("transfer-encoding") == "chunked":
        return _count_chunks(connection, rest)
    return _count(connection, len(rest), int(headers.get("content-length", "0")))


def _count(connection: socket.socket, count: int, expected: int | None) -> int:
    buffer = bytearray(_BUFFER_BYTES)
    while expected is None or count < expected:
        received = connection.recv_into(buffer)
        if not received:
            if expected is None:
                break
            raise Broken(f"closed after {count} of {expected} bytes")
        count += received
    return count


def _count_chunks(connection: socket.socket, rest: bytes) -> int:
    """The length of a chunked body in bytes. Payloads are not kept."""
    count = 0
    while True:
        while b"\r\n" not in rest:
            rest += _receive(connection)
        line, _, rest = rest.partition(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        count += size
        left = size + 2 - len(rest)  # the payload and its CRLF
        if left <= 0:
            rest = rest[size + 2 :]
        else:
            rest = b""
            while left > 0:
                piece = _receive(connection)
                rest = piece[left:]
                left -= len(piece)
        if size == 0:
            return count


def _receive(connection: socket.socket) -> bytes:
    piece = connection.recv(_BUFFER_BYTES)
    if not piece:
        raise Broken("closed inside a chunked body")
    return piece
