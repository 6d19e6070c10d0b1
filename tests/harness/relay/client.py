"""A client that says exactly what it is told to, byte for byte."""

import socket
from collections.abc import Iterable

from harness.relay.answers import Answer, AnswerReader
from harness.relay.tokens import VALID
from harness.relay.wire import Wire

HOST = "gw.test"


def request(
    method: str,
    target: str,
    fields: Iterable[str] = (),
    *,
    body: bytes | None = None,
    token: str | None = VALID,
    version: str = "1.1",
) -> bytes:
    """A request of a signed-in client (`token=None`: a stranger); a body is framed by Content-Length."""
    lines = [f"{method} {target} HTTP/{version}", f"Host: {HOST}"]
    if token is not None:
        lines.append(f"Cookie: access_token={token}")
    lines.extend(fields)
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + (body or b"")


def chunked(*pieces: bytes) -> bytes:
    """A whole chunked body."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in (*pieces, b""))


CHUNKED = "Transfer-Encoding: chunked"


class Client(Wire):
    """A client's end of one connection."""

    def __init__(self, port: int, *, address: str = "127.0.0.1", receive_buffer: int = 0) -> None:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            sock.bind((address, 0))
            sock.connect(("127.0.0.1", port))
        except OSError:
            sock.close()
            raise
        super().__init__(sock)

    def answering(self, method: str = "GET") -> AnswerReader:
        """A reader for the next answer, to be read in steps."""
        return AnswerReader(self, method)

    def answer(self, method: str = "GET") -> Answer:
        """The next answer, whole."""
        return AnswerReader(self, method).whole()

    def ask(
        self,
        method: str,
        target: str,
        fields: Iterable[str] = (),
        *,
        body: bytes | None = None,
        token: str | None = VALID,
    ) -> Answer:
        """Send a request and read its answer: for when somebody answers at the other end."""
        self.send(request(method, target, fields, body=body, token=token))
        return self.answer(method)


def is_refused(port: int) -> bool:
    """Whether no process listens here any more, or the one that does is about to end."""
    try:
        Client(port).close()
    except ConnectionError:
        return True
    return False
