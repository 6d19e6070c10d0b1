"""Writes lines to a file or a pipe in a thread, so that the event loop never waits for a slow one.

Lines are collected and passed to the thread in one piece. Lines beyond the bound are dropped and counted:
neither a slow reader nor a full disk may stop the gateway.
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
        self._dropped = 0  # lines that the thread did not get
        self._unwritten = 0  # lines that it failed to write
        self._fails = False
        self._descriptor = descriptor
        self._most = most_bytes
        self._lines: list[bytes] = []
        self._size = 0
        self._given = 0  # bytes passed to the thread
        self._taken = 0  # bytes that it has handled
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
        """Add a complete line, with its line end. It is written at the next flush."""
        self._lines.append(line)
        self._size += len(line)
        if self._size >= _GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Pass the collected lines to the thread."""
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
        """Write the remaining lines, for `seconds` at most."""
        self.flush()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._queue.put(None)
            thread.join(seconds)

    def _work(self) -> None:
        rest = b""  # of a partly written line, which must be completed before another one
        while (data := self._queue.get()) is not None:
            left = self._write_all(rest + data)
            self._fails = bool(left)
            is_cut = left and not (rest + data).removesuffix(left).endswith(b"\n")
            rest = left[: left.index(b"\n") + 1] if is_cut else b""
            self._unwritten += left.count(b"\n") - len(rest[:1])
            self._taken += len(data)

    def _write_all(self, data: bytes) -> bytes:
        """The bytes that could not be written."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # another process has made the pipe non-blocking
                select.select((), (self._descriptor,), ())
            except OSError:  # the reader has closed it, or the disk is full
                break
        return bytes(left)
