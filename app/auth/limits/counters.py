"""Counters of this process, one for each key and window. Their number is bounded.

The storage of the library keeps every key, and scans all of them at each count: a flood of names would grow
it without bound, and block the event loop. Evicting counters would be worse: with a flood of other names an
attacker could reset the counter of the name under attack.

So a counter stays until its window ends; no client can remove it earlier. When all counters are in use, new
keys share cells, selected by their hash. A cell counts the attempts of all its keys, so it never counts too
few for one. Its window may have begun before a key's first attempt. A very large flood can thus delay other
sign-ins. Keys are digests under a secret, so no client can choose its cell.
"""

import re
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable
from typing import Final, TypeAlias

from limits.aio.storage import Storage
from typing_extensions import override

MOST: Final = 100_000  # about 20 MB
CELLS: Final = 32_768  # for each limit, 512 kB; allocated when the first key gets no counter
_NEVER: Final = (0, 0.0)
# LIMITER/<kind>/<scope>/<digest>/<amount>/<multiple>/<granularity>
_KEY = re.compile(r"LIMITER/(.*/)[0-9a-f]{32}/(\d+/\d+/[a-z]+)").fullmatch

_Table: TypeAlias = OrderedDict[int, tuple[int, float]]


class Counters:
    """Counts in fixed windows; a window begins with the first count."""

    def __init__(
        self, *, most: int = MOST, cells: int = CELLS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """With `cells=0`, a key beyond `most` is not counted. `clock` is monotonic, in seconds."""
        self._most = most
        self._cells = cells
        self._clock = clock
        # Count and end of the window, by a 64-bit hash of the key. One table for each length of window: there
        # windows end in the order in which they began, so the expired ones are first.
        self._tables: dict[float, _Table] = {}
        self._shared: dict[str, _Cells] = {}  # by limit

    def __len__(self) -> int:
        """The number of keys with a separate counter."""
        return sum(map(len, self._tables.values()))

    def add(self, key: str, seconds: float, amount: int = 1) -> int:
        """Add to the key's open window, or to a new one of so many seconds. Returns the new count.

        0: no counter is free, and there are no cells.
        """
        now, mark = self._clock(), hash(key)
        table = self._table_of(mark, now)
        if table is not None:
            count, until = table[mark]
            table[mark] = count + amount, until
            return count + amount
        self._drop_expired(now)
        cells = self._cells_of(key)
        # An open cell has precedence: it may hold earlier counts of this key
        if len(self) < self._most and (cells is None or cells.window(mark, now) is None):
            self._tables.setdefault(seconds, OrderedDict())[mark] = amount, now + seconds
            return amount
        if not self._cells:
            return 0
        if cells is None:
            cells = self._shared[_limit_of(key)] = _Cells(self._cells)
        return cells.add(mark, now, seconds, amount)

    def undo(self, key: str) -> None:
        """Undo one count."""
        now, mark = self._clock(), hash(key)
        table = self._table_of(mark, now)
        if table is None:
            self._take_back_shared(key, mark)
        elif table[mark][0] > 1:
            table[mark] = table[mark][0] - 1, table[mark][1]
        else:
            del table[mark]

    def count(self, key: str) -> int:
        """The count in the key's open window; 0 without one."""
        return self._open(key)[0]

    def seconds_left(self, key: str) -> float:
        """The seconds until the key's window ends; 0 without one."""
        return max(0.0, self._open(key)[1] - self._clock())

    def clear(self, key: str) -> None:
        """Remove the key's counter; in a shared cell undo one count, since others may be of other keys."""
        mark = hash(key)
        table = self._table_of(mark, self._clock())
        if table is None:
            self._take_back_shared(key, mark)
        else:
            del table[mark]

    def _open(self, key: str) -> tuple[int, float]:
        """The count and the end of a key's open window."""
        now, mark = self._clock(), hash(key)
        table = self._table_of(mark, now)
        if table is not None:
            return table[mark]
        cells = self._cells_of(key)
        return (cells.window(mark, now) if cells is not None else None) or _NEVER

    def _table_of(self, mark: int, now: float) -> _Table | None:
        """The table with a separate counter for this key; None without an open window."""
        for table in self._tables.values():
            if table.get(mark, _NEVER)[1] > now:
                return table
        return None

    def _cells_of(self, key: str) -> "_Cells | None":
        return self._shared.get(_limit_of(key)) if self._shared else None

    def _take_back_shared(self, key: str, mark: int) -> None:
        cells = self._cells_of(key)
        if cells is not None:
            cells.undo(mark)

    def _drop_expired(self, now: float) -> None:
        for table in self._tables.values():
            while table and next(iter(table.values()))[1] <= now:
                table.popitem(last=False)


class _Cells:
    """Windows shared by several keys."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._counts = array("q", bytes(8 * number))
        self._ends = array("d", bytes(8 * number))

    def window(self, mark: int, now: float) -> tuple[int, float] | None:
        index = mark % self._number
        return (self._counts[index], self._ends[index]) if self._ends[index] > now else None

    def add(self, mark: int, now: float, seconds: float, amount: int) -> int:
        index = mark % self._number
        if self._ends[index] <= now:
            self._counts[index], self._ends[index] = 0, now + seconds
        self._counts[index] += amount
        return self._counts[index]

    def undo(self, mark: int) -> None:
        index = mark % self._number
        self._counts[index] = max(0, self._counts[index] - 1)


def _limit_of(key: str) -> str:
    """A key of the library without its digest: the kind, the scope and the limit. There are few."""
    match = _KEY(key)
    return match[1] + match[2] if match is not None else ""


class MemoryStorage(Storage):
    """Counters as a storage of the `limits` library."""

    STORAGE_SCHEME: list[str] | None = None  # not registered for URLs

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
        self._counters.clear(key)

    @override
    async def check(self) -> bool:
        return True

    @override
    async def reset(self) -> int | None:
        raise PermissionError("all counters cannot be cleared at once")
