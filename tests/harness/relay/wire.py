"""One end of a TCP or Unix connection: bytes out, bytes in, and how it ended. Knows nothing of HTTP."""

import select
import socket
import struct
from enum import Enum
from types import TracebackType
from typing import Self

from harness.relay.deadlines import PATIENCE_SECONDS, NeverCame

_READ_BYTES = 262_144
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Ending(Enum):
    """How the other side ended the connection."""

    CLOSED = "closed"
    RESET = "reset"


class WireEnded(AssertionError):
    """The other side ended the connection where more was expected."""

    def __init__(self, ending: Ending, rest: bytes) -> None:
        super().__init__(f"connection {ending.value}, with {len(rest)} bytes unread: {rest[-300:]!r}")
        self.ending = ending


class Wire:
    """A socket with a deadline on every step. `received` holds every byte that came, in order."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.sock.settimeout(PATIENCE_SECONDS)
        self.received = bytearray()
        self.ending: Ending | None = None
        self._taken = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # out

    def send(self, data: bytes) -> None:
        try:
            self.sock.sendall(data)
        except TimeoutError:
            raise NeverCame(f"the other side did not take {len(data)} bytes") from None

    def half_close(self) -> None:
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self.sock.close()

    def reset(self) -> None:
        """Close with a TCP reset instead of an orderly end."""
        if self.sock.fileno() < 0:
            return
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self.sock.close()

    # in

    @property
    def unread(self) -> bytes:
        """What has come and was not taken."""
        return bytes(self.received[self._taken :])

    def take(self, count: int) -> bytes:
        while len(self.received) - self._taken < count:
            self._need_more()
        return self._cut(self._taken + count)

    def take_until(self, mark: bytes) -> bytes:
        """Everything up to and including `mark`."""
        start = self._taken
        while (found := self.received.find(mark, start)) < 0:
            start = max(self._taken, len(self.received) - len(mark))
            self._need_more()
        return self._cut(found + len(mark))

    def take_some(self) -> bytes:
        """Whatever comes next; empty once the other side has ended."""
        if len(self.received) == self._taken and self.ending is None:
            self.read_more()
        return self._cut(len(self.received))

    def read_more(self) -> bool:
        """Read once. False when the other side has ended. Raises NeverCame."""
        if self.ending is not None:
            return False
        try:
            data = self.sock.recv(_READ_BYTES)
        except TimeoutError:
            raise NeverCame(f"no more bytes; unread so far: {self.unread[-300:]!r}") from None
        except ConnectionResetError:
            self.ending = Ending.RESET
            return False
        if not data:
            self.ending = Ending.CLOSED
        self.received += data
        return bool(data)

    def wait_end(self) -> Ending:
        """Read to the end of the connection; bytes that still come are left in `unread`."""
        while self.read_more():
            pass
        assert self.ending is not None
        return self.ending

    def ends_silently(self) -> bool:
        """Wait for the end: whether it comes without another byte."""
        self.wait_end()
        return self.unread == b""

    @property
    def is_quiet(self) -> bool:
        """Whether nothing waits to be read now: no byte, no end."""
        return self.unread == b"" and self.ending is None and not select.select([self.sock], [], [], 0)[0]

    def put_back(self, data: bytes) -> None:
        """Leave bytes that were taken, the last ones, for who reads next."""
        self._taken -= len(data)

    def _need_more(self) -> None:
        if not self.read_more():
            assert self.ending is not None
            raise WireEnded(self.ending, self.unread)

    def _cut(self, end: int) -> bytes:
        data = bytes(self.received[self._taken : end])
        self._taken = end
        return data
