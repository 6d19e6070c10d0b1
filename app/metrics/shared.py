"""Numbers in shared memory: each process writes its own, and reads those of all.

Any worker may get a scrape. A worker publishes its counts before it reports them, so a killed worker loses
none of them, and its replacement continues from there.
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

_HEAD: Final = struct.Struct("<QdI")  # sequence, Unix seconds, length of the data
_CHECKSUM: Final = struct.Struct("<I")
_HALF: Final = 16 * 1024 * 1024  # sparse: only written pages use memory
_STALE_SECONDS: Final = 5.0


class _SharedFile:
    """An anonymous file that worker processes inherit."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    @override
    def __reduce__(self) -> tuple[Any, ...]:
        return _attach, (reduction.DupFd(self.descriptor),)


def _attach(inherited: Any) -> _SharedFile:
    return _SharedFile(inherited.detach())


def _anonymous() -> _SharedFile:
    if hasattr(os, "memfd_create"):
        return _SharedFile(os.memfd_create("postgate-numbers"))
    with tempfile.TemporaryFile() as file:
        return _SharedFile(os.dup(file.fileno()))


class SharedNumbers:
    """One file for each process. Writes alternate between its halves, so one half is always complete."""

    def __init__(self, workers: int) -> None:
        self._files = [_anonymous() for _ in range(workers)]
        self._sequence = 0

    def read(self, worker_index: int) -> Snapshot | None:
        """The last snapshot of a worker, or None."""
        found = self._newest(worker_index)
        return None if found is None else decode(found[2])

    def read_all(self) -> Sequence[Snapshot]:
        """The snapshots of all processes, without the gauges of exited ones."""
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
