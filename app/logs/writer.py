"""Lines on their way to a file or a pipe, which may be slow: the event loop never waits for it.

Lines are gathered and handed over in one piece; a thread writes. What a reader does not take in time is
dropped and counted, for a log that nobody reads must not stop a gateway. Neither must a full disk.
"""

import os
import select
from queue import SimpleQueue
from threading import Thread
from typing import Final

_GATHERED_BYTES: Final = 65_536
_MOST_BYTES: Final = 8 * 1024 * 1024
END_SECONDS: Final = 2.0


class LineWriter:
    """Writes to one descriptor."""

    def __init__(self, descriptor: int, *, most_bytes: int = _MOST_BYTES) -> None:
        self._dropped = 0  # lines, before the thread got them
        self._unwritten = 0  # by it
        self._fails = False
        self._descriptor = descriptor
        self._most = most_bytes
        self._lines: list[bytes] = []
        self._size = 0
        self._given = 0  # bytes, to the thread
        self._taken = 0  # by it
        self._queue: SimpleQueue[bytes | None] = SimpleQueue()
        self._thread: Thread | None = None

    @property
    def lost(self) -> int:
        """Lines that were not written."""
        return self._dropped + self._unwritten

    @property
    def has_room(self) -> bool:
        return not self._fails and self._given - self._taken < self._most // 2

    def write(self, line: bytes) -> None:
        """Take a whole line, its end included. It is written with others."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Have written what was gathered."""
        lines, size = self._lines, self._size
        if not lines:
            return
        self._lines, self._size = [], 0
        if self._given - self._taken + size > self._most:
            self._dropped += len(lines)
            return
        self._given += size
        self._queue.put(b"".join(lines))
        if self._thread is None:
            self._thread = Thread(target=self._work, name="log", daemon=True)
            self._thread.start()

    def close(self, seconds: float = END_SECONDS) -> None:
        """Write what is left, as far as somebody takes it in that time."""
        self.flush()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(seconds)

    def _work(self) -> None:
        rest = b""  # of a line that is not written to its end: another one must not go on in its middle
        while (data := self._queue.get()) is not None:
            left = self._write_all(rest + data)
            self._fails = bool(left)
            is_cut = left and not (rest + data).removesuffix(left).endswith(b"\n")
            rest = left[: left.index(b"\n") + 1] if is_cut else b""
            self._unwritten += left.count(b"\n") - len(rest[:1])
            self._taken += len(data)

    def _write_all(self, data: bytes) -> bytes:
        """What could not be written."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # somebody else has made the pipe so
                select.select((), (self._descriptor,), ())
            except OSError:  # nobody is left to read it, or there is no space
                break
        return bytes(left)
