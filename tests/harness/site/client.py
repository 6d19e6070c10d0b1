"""A client that sends what it is told, byte for byte, over TCP or a Unix socket, and merges no headers."""

import socket
from collections.abc import Sequence

from harness.relay.answers import Answer, AnswerReader
from harness.relay.wire import Wire

Field = tuple[str, str]
MOST_CHUNKS = 1_000  # of one byte or more each


def connect(url: str) -> Wire:
    """A connection to `http://127.0.0.1:port` or `unix:/path`."""
    if url.startswith("unix:"):
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.connect(url.removeprefix("unix:"))
        return Wire(sock)
    host, _, port = url.removeprefix("http://").partition(":")
    return Wire(socket.create_connection((host, int(port))))


def ask(
    url: str, method: str, target: str, fields: Sequence[Field] = (), body: bytes | None = None
) -> Answer:
    """Send one request on a connection of its own, and read its answer."""
    with connect(url) as wire:
        wire.send(request_bytes(method, target, fields, body))
        return AnswerReader(wire, method).whole()


def request_bytes(method: str, target: str, fields: Sequence[Field] = (), body: bytes | None = None) -> bytes:
    """A request as bytes. A body is framed by Content-Length, or by what the fields say."""
    names = {name.lower() for name, _ in fields}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
    if "host" not in names:
        lines.insert(1, "Host: gw.test")
    if "transfer-encoding" in names:
        body = _in_chunks(body or b"")
    elif body is not None and "content-length" not in names:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b"")


def _in_chunks(body: bytes) -> bytes:
    size = len(body) // MOST_CHUNKS + 1
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))
