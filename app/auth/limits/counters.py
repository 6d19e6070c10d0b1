"""Counters of this process: how often a key came since its window began. Their number is bounded.

The storage that the library brings keeps every key, and looks through all of them each time one is counted: a
flood of names would grow it without end, and stop the event loop. Forgetting counters when there are too many
would be worse: a flood of other names would give an attacker fresh attempts at the one that matters.

So a counter is kept until its window ends, and nothing that strangers do ends it earlier. When all places
are taken, keys that have no counter share cells, by their hash: what is counted for one counts for all of its
cell. A shared cell counts too much and not too little, though its window may have begun before a key's first
count. A flood large enough then makes some sign-ins wait that would not have to. A key is a digest under a
secret, so no client can aim at another's cell.
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
CELLS: Final = 32_768  # of each limit, 512 kB; made when the first key finds no place
_NEVER: Final = (0, 0.0)
# LIMITER/<kind>/<scope>/<digest>/<amount>/<multiple>/<granularity>
_KEY = re.compile(r"LIMITER/(.*/)[0-9a-f]{32}/(\d+/\d+/[a-z]+)").fullmatch

_Table: TypeAlias = OrderedDict[int, tuple[int, float]]


class Counters:
    """Counts in fixed windows; a window begins with the first count."""

    def __init__(
        self, *, most: int = MOST, cells: int = CELLS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Without `cells`, a key beyond `most` is not counted: for what may be forgotten."""
        self._most = most
        self._cells = cells
        self._clock = clock
        # How often, and until when, by 64 bits of the key. One table for each length of a window: windows of
        # one length end in the order in which they began, so those that are over stand in front.
        self._tables: dict[float, _Table] = {}
        self._shared: dict[str, _Cells] = {}  # by limit

    def __len__(self) -> int:
        """How many keys have a counter to themselves."""
        return sum(map(len, self._tables.values()))

    def add(self, key: str, seconds: float, amount: int = 1) -> int:
        """Count, in the window that is open or in a new one of so many seconds; how often it is now.

        0: there was no place, and no cell to share.
        """
        now, mark = self._clock(), hash(key)
        table = self._table_of(mark, now)
        if table is not None:
            count, until = table[mark]
            table[mark] = count + amount, until
            return count + amount
        self._drop_past(now)
        cells = self._cells_of(key)
        # An open cell goes first: the key's own earlier counts may be in it
        if len(self) < self._most and (cells is None or cells.window(mark, now) is None):
            self._tables.setdefault(seconds, OrderedDict())[mark] = amount, now + seconds
            return amount
        if not self._cells:
            return 0
        if cells is None:
            cells = self._shared[_limit_of(key)] = _Cells(self._cells)
        return cells.add(mark, now, seconds, amount)

    def take_back(self, key: str) -> None:
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
        return self._open(key)[0]

    def seconds_left(self, key: str) -> float:
        """How long the window stays open."""
        return max(0.0, self._open(key)[1] - self._clock())

    def forget(self, key: str) -> None:
        """Forget what was counted for the key; of a shared cell one count, for the rest may be others'."""
        mark = hash(key)
        table = self._table_of(mark, self._clock())
        if table is None:
            self._take_back_shared(key, mark)
        else:
            del table[mark]

    def _open(self, key: str) -> tuple[int, float]:
        """The open window of a key: its count and its end."""
        now, mark = self._clock(), hash(key)
        table = self._table_of(mark, now)
        if table is not None:
            return table[mark]
        cells = self._cells_of(key)
        return (cells.window(mark, now) if cells is not None else None) or _NEVER

    def _table_of(self, mark: int, now: float) -> _Table | None:
        """The table in which a key has an open window to itself."""
        for table in self._tables.values():
            if table.get(mark, _NEVER)[1] > now:
                return table
        return None

    def _cells_of(self, key: str) -> "_Cells | None":
        return self._shared.get(_limit_of(key)) if self._shared else None

    def _take_back_shared(self, key: str, mark: int) -> None:
        cells = self._cells_of(key)
        if cells is not None:
            cells.take_back(mark)

    def _drop_past(self, now: float) -> None:
        for table in self._tables.values():
            while table and next(iter(table.values()))[1] <= now:
                table.popitem(last=False)


class _Cells:
    """Windows that keys share."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._counts = array("q", bytes(8 * number))
        self._ends = array("d", bytes(8 * number))

    def window(self, mark: int, now: float) -> tuple[int, float] | None:
        place = mark % self._number
        return (self._counts[place], self._ends[place]) if self._ends[place] > now else None

    def add(self, mark: int, now: float, seconds: float, amount: int) -> int:
        place = mark % self._number
        if self._ends[place] <= now:
            self._counts[place], self._ends[place] = 0, now + seconds
        self._counts[place] += amount
        return self._counts[place]

    def take_back(self, mark: int) -> None:
        place = mark % self._number
        self._counts[place] = max(0, self._counts[place] - 1)


def _limit_of(key: str) -> str:
    """A key of the library without its digest: what is counted, within which limit. They are few."""
    found = _KEY(key)
    return found[1] + found[2] if found is not None else ""


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
        raise PermissionError("no caller may forget all attempts at once")
