"""Numbers that several processes share, in memory: each writes its own, and each can read all of them.

A scrape meets any one of the workers. What it is told was written down before, so a worker that is killed
takes nothing back; the one in its place goes on from there.
"""

import os
import struct
import tempfile
import time
import zlib
from collections.abc import Sequence
from multiprocessing import reduction
from typing import Any, Final

from typing_extensions import override

from app.metrics.snapshots import Snapshot, decode

_HEAD: Final = struct.Struct("<QdI")  # sequence, time, length; a checksum of it and of what follows
_CHECKSUM: Final = struct.Struct("<I")
_HALF: Final = 16 * 1024 * 1024  # sparse: only what is written takes memory
_STALE_SECONDS: Final = 5.0


class _SharedFile:
    """A file without a name that worker processes inherit."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _take_over, (reduction.DupFd(self.descriptor),)


def _take_over(inherited: Any) -> _SharedFile:
    return _SharedFile(inherited.detach())


def _nameless() -> _SharedFile:
    if hasattr(os, "memfd_create"):
        return _SharedFile(os.memfd_create("postgate-numbers"))
    with tempfile.TemporaryFile() as file:
        return _SharedFile(os.dup(file.fileno()))


class SharedNumbers:
    """One place for each process. It writes to its two halves in turn: one of them is always whole."""

    def __init__(self, places: int) -> None:
        self._files = [_nameless() for _ in range(places)]
        self._sequence = 0

    def read(self, worker_index: int) -> Snapshot | None:
        """What was last written there; None if nothing was."""
        found = self._newest(worker_index)
        return None if found is None else decode(found[2])

    def read_all(self) -> Sequence[Snapshot]:
        """What every process has written; of one that is gone, its gauges not."""
        snapshots = []
        for worker_index in range(len(self._files)):
            found = self._newest(worker_index)
            if found is not None:
                snapshot = decode(found[2])
                if time.time() - found[1] > _STALE_SECONDS:
                    snapshot.gauges.clear()
                snapshots.append(snapshot)
        return snapshots

    def write(self, worker_index: int, snapshot: Snapshot) -> None:
        if not self._sequence:
            found = self._newest(worker_index)
            self._sequence = found[0] if found is not None else 0
        self._sequence += 1
        data = snapshot.encode()
        written = _HEAD.pack(self._sequence, time.time(), len(data)) + data
        checksum = _CHECKSUM.pack(zlib.crc32(written))
        os.pwrite(self._files[worker_index].descriptor, written + checksum, self._sequence % 2 * _HALF)

    def _newest(self, worker_index: int) -> tuple[int, float, bytes] | None:
        halves = [self._half(worker_index, number) for number in (0, 1)]
        return max((half for half in halves if half is not None), default=None)

    def _half(self, worker_index: int, number: int) -> tuple[int, float, bytes] | None:
        descriptor = self._files[worker_index].descriptor
        head = os.pread(descriptor, _HEAD.size, number * _HALF)
        if len(head) < _HEAD.size:
            return None
        sequence, written_at, length = _HEAD.unpack(head)
        rest = os.pread(descriptor, length + _CHECKSUM.size, number * _HALF + _HEAD.size)
        data, checksum = rest[:length], rest[length:]
        is_whole = checksum == _CHECKSUM.pack(zlib.crc32(head + data))
        return (sequence, written_at, data) if is_whole else None
