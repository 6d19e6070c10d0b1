"""Counters of this process: how often a key came since its window began. Their number is bounded.

The storage that the library brings keeps every key, and looks through all of them each time one is counted: a
flood of names would grow it without end, and stop the event loop. This one forgets, when it is full, the half
that was not counted for longest.
"""

import time
from collections.abc import Callable
from typing import Final

from limits.aio.storage import Storage
from typing_extensions import override

MOST: Final = 100_000  # about 20 MB
_NEVER: Final = (0, 0.0)


class Counters:
    """Counts in fixed windows; a window begins with the first count."""

    def __init__(self, *, most: int = MOST, clock: Callable[[], float] = time.monotonic) -> None:
        self._half = most // 2
        self._clock = clock
        # How often, and until when; by 64 bits of the key, which is a digest: nobody can aim at another's
        self._young: dict[int, tuple[int, float]] = {}
        self._old: dict[int, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._young) + len(self._old)

    def add(self, key: str, seconds: float, amount: int = 1) -> int:
        """Count, in the window that is open or in a new one of so many seconds; how often it is now."""
        count, until = self._open(key) or (0, self._clock() + seconds)
        self._young[hash(key)] = count + amount, until
        if len(self._young) >= self._half:
            self._young, self._old = {}, self._young
        return count + amount

    def take_back(self, key: str) -> None:
        """Undo one count."""
        count, until = self._open(key) or _NEVER
        if count > 0:
            self._young[hash(key)] = count - 1, until

    def count(self, key: str) -> int:
        return (self._open(key) or _NEVER)[0]

    def seconds_left(self, key: str) -> float:
        """How long the window stays open."""
        window = self._open(key)
        return 0.0 if window is None else window[1] - self._clock()

    def forget(self, key: str) -> None:
        self._young.pop(hash(key), None)
        self._old.pop(hash(key), None)

    def _open(self, key: str) -> tuple[int, float] | None:
        """The open window of a key."""
        window = self._young.get(hash(key)) or self._old.get(hash(key))
        return window if window is not None and window[1] > self._clock() else None


class MemoryStorage(Storage):
    """Counters in the form that the library's strategies want."""

    STORAGE_SCHEME: list[str] | None = None  # made here alone

    def __init__(self, counters: Counters) -> None:
        super().__init__()
        self._counters = counters

    @property
    @override
    def base_exceptions(self) -> type[Exception]:
        return ValueError

    @override
    async def incr(self, key: str, expiry: float, amount: int = 1) -> int:
        return self._counters.add(key, expiry, amount)

    @override
    async def get(self, key: str) -> int:
        return self._counters.count(key)

    @override
    async def get_expiry(self, key: str) -> float:
        return time.time() + self._counters.seconds_left(key)

    @override
    async def clear(self, key: str) -> None:
        self._counters.forget(key)

    @override
    async def check(self) -> bool:
        return True

    @override
    async def reset(self) -> int | None:
        raise PermissionError("nobody may forget all tries at once")
