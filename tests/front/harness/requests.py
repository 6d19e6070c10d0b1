"""Requests that curl does not send, written by hand."""

from proxy.harness.answers import Answer, AnswerReader

from front.harness.fronts import Front
from front.harness.tls import HOST
from front.harness.visitor import Visitor


def head(line: str, front: Front, *fields: str) -> bytes:
    return "\r\n".join([f"{line} HTTP/1.1", f"Host: {HOST}:{front.ports.https}", *fields, "", ""]).encode()


def session_of(visitor: Visitor) -> str:
    """The Cookie field of a visitor."""
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in visitor.jar.items())


def handshake(front: Front, visitor: Visitor, origin: str, say: bytes = b"") -> tuple[Answer | None, bytes]:
    """The answer that is not a WebSocket; or, from one that is, what is said back."""
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
        start = wire.take_until(b"\r\n")
        if b" 101 " not in start:
            wire.put_back(start)
            return AnswerReader(wire, "GET").whole(), b""
        wire.take_until(b"\r\n\r\n")
        wire.send(say)
        return None, wire.take(len(say))
