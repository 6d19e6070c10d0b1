"""Requests that curl does not send, written by hand."""

from harness.front.fronts import Front
from harness.front.tls import HOST
from harness.front.visitor import Visitor

SWITCHING = 101


def head(line: str, front: Front, *fields: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {HOST}:{front.ports.https}", *fields, "", ""]).encode()


def session_of(visitor: Visitor) -> str:
    """The Cookie field of a visitor."""
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in visitor.jar.items())


def handshake(front: Front, visitor: Visitor, origin: str, say: bytes = b"") -> tuple[int, bytes, bytes]:
    """Ask for a WebSocket: the answer's status and head, and from one that opens, what is said back."""
    fields = (
        session_of(visitor),
        f"Origin: {origin}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    with front.certificate.connect(front.ports.https) as wire:
        wire.send(head("GET /files/live", front, *fields))
        answered = wire.take_until(b"\r\n\r\n")
        status = int(answered.split(b" ")[1])
        if status != SWITCHING:
            return status, answered, b""
        wire.send(say)
        return status, answered, wire.take(len(say))
