"""An upstream in the test's own hand, or one that answers by a script. Both keep every byte they received."""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from harness.relay.deadlines import PATIENCE_SECONDS, NeverCame
from harness.relay.requests import ReceivedRequest, RequestHead, RequestReader
from harness.relay.wire import Wire

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]"


def answer(
    body: bytes = b"[]", *, status: str = "200 OK", fields: tuple[str, ...] = (), sized: bool = True
) -> bytes:
    """An answer framed by Content-Length, or, unsized, by the end of the connection."""
    lines = [f"HTTP/1.1 {status}", *fields, *([f"Content-Length: {len(body)}"] if sized else [])]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1") + body


class UpstreamEnd(Wire):
    """The upstream's end of one connection from the gateway."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(sock)
        self.requests: list[ReceivedRequest] = []
        self._reader = RequestReader(self)

    def head(self) -> RequestHead:
        return self._reader.head()

    def chunk(self) -> bytes:
        return self._reader.chunk()

    def request(self) -> ReceivedRequest:
        """The next request, whole and strictly read."""
        received = self._reader.request()
        self.requests.append(received)
        return received

    def next_request(self) -> ReceivedRequest | None:
        """As `request`, but None when the gateway ended the connection instead."""
        received = self._reader.next_request()
        if received is not None:
            self.requests.append(received)
        return received

    def wake(self) -> None:
        """Let a thread that reads here see the end."""
        with suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)


Script = Callable[[UpstreamEnd], object]


def answer_everything(end: UpstreamEnd) -> None:
    while end.next_request() is not None:
        end.send(OK)


def answering(data: bytes) -> Script:
    """A script that gives the same bytes as the answer to every request."""

    def script(end: UpstreamEnd) -> None:
        while end.next_request() is not None:
            end.send(data)

    return script


def echoing_target(end: UpstreamEnd) -> None:
    """Answer every request with its own target: who gets another's answer can tell."""
    while (received := end.next_request()) is not None:
        end.send(answer(received.head.target))


class Upstream:
    """A listener. `ends` are the connections that were accepted, in order."""

    def __init__(self, path: Path | None = None, *, port: int = 0, backlog: int = 512) -> None:
        family = socket.AF_INET if path is None else socket.AF_UNIX
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", port) if path is None else str(path))
        self._listener.listen(backlog)
        self._listener.settimeout(PATIENCE_SECONDS)
        self.port: int = self._listener.getsockname()[1] if path is None else 0
        self.url = f"http://127.0.0.1:{self.port}" if path is None else f"unix:{path}"
        self.ends: list[UpstreamEnd] = []

    def shrink_receive_buffer(self) -> None:
        """Let the kernel take little of what comes on connections from now on."""
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)

    def accept(self) -> UpstreamEnd:
        """The next connection from the gateway."""
        try:
            sock, _ = self._listener.accept()
        except TimeoutError:
            raise NeverCame("no connection from the gateway") from None
        return self._keep(sock)

    def dial(self) -> socket.socket:
        """A connection as anybody could open one."""
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE_SECONDS)

    @property
    def nobody_knocks(self) -> bool:
        """Whether no connection waits to be accepted."""
        return not select.select([self._listener], [], [], 0)[0]

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Every whole request that came, over all connections."""
        return [received for end in list(self.ends) for received in list(end.requests)]

    @contextmanager
    def serving(self, script: Script = answer_everything) -> Iterator[None]:
        """Let threads accept and play the script on each connection, until the block ends.

        What the script finds wrong (a request that is not strict) fails the block; that the gateway hung up
        on it does not.
        """
        failures: list[Exception] = []
        threads: list[threading.Thread] = []
        stop, stopped = socket.socketpair()

        def play(end: UpstreamEnd) -> None:
            try:
                script(end)
            except OSError:
                pass
            except Exception as error:  # noqa: BLE001  handed to the test's own thread
                failures.append(error)
            finally:
                end.close()

        def accept() -> None:
            while stopped not in select.select([self._listener, stopped], [], [])[0]:
                end = self._keep(self._listener.accept()[0])
                end.sock.settimeout(None)
                thread = threading.Thread(target=play, args=(end,), daemon=True)
                threads.append(thread)
                thread.start()

        acceptor = threading.Thread(target=accept, daemon=True)
        acceptor.start()
        try:
            yield
        finally:
            stop.send(b".")
            acceptor.join(PATIENCE_SECONDS)
            for end in self.ends:
                end.wake()
            for thread in threads:
                thread.join(PATIENCE_SECONDS)
            stop.close()
            stopped.close()
        for failure in failures:
            raise failure

    def close_connections(self) -> None:
        """End every connection, also those that nobody has accepted."""
        while self._listener.fileno() >= 0 and not self.nobody_knocks:
            self._keep(self._listener.accept()[0])
        for end in self.ends:
            end.close()

    def forget(self) -> None:
        self.close_connections()
        self.ends.clear()

    def close(self) -> None:
        self.close_connections()
        self._listener.close()

    def _keep(self, sock: socket.socket) -> UpstreamEnd:
        end = UpstreamEnd(sock)
        self.ends.append(end)
        return end
