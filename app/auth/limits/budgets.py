"""What a call spends, and whether it still may: budgets of tries, each with several windows of time.

Everything is counted before the call is made, so that a thousand calls at once are counted as a thousand.
What is refused is not counted: who goes on trying at a closed door waits no longer for it, and cannot close
the doors of others.
"""

import math
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

from limits import RateLimitItem, parse_many
from limits.aio.storage import Storage
from limits.aio.strategies import FixedWindowRateLimiter

from app.auth.limits.counters import Counters

OFF: Final = "off"
_MOST_REFUSED: Final = 10_000
_REMEMBERED_SECONDS: Final = 1
_LEAST_SECONDS: Final = 3  # that a refusal has to last to be remembered: the memory must end before it does
_ROUNDING_SECONDS: Final = 0.5  # Redis and Valkey tell what is left of a window in whole seconds

Windows: TypeAlias = tuple[RateLimitItem, ...]


class Attempt(NamedTuple):
    """One budget that a call spends of."""

    kind: str  # of what is tried: "login"
    scope: str  # what the budget belongs to: "address", "account", "pair", "session"
    key: str  # whose it is
    windows: Windows  # shortest first
    is_cleared: bool = False  # by success


class BudgetExhausted(Exception):
    """A budget of a call has no tries left in one of its windows."""

    def __init__(self, exhausted: Attempt, seconds: int) -> None:
        super().__init__()
        self.exhausted = exhausted
        self.seconds = seconds  # until no window of any budget of the call is full


def read_windows(text: str) -> Windows:
    """The windows of `5/minute,20/hour`, or none of `off`."""
    if text == OFF:
        return ()
    return tuple(sorted(parse_many(text), key=RateLimitItem.get_expiry))


@lru_cache(maxsize=256)  # limits and shares are few
def widened(windows: Windows, share: int) -> Windows:
    """The same windows for so many clients."""
    return tuple(type(window)(window.amount * share, window.multiples) for window in windows)


class Budgets:
    """The counters of all budgets, wherever they are kept."""

    def __init__(self, storage: Storage, *, close: Callable[[], Awaitable[None]] | None = None) -> None:
        """`close` is that of a storage elsewhere: of one that it takes a while to ask."""
        self._limiter = FixedWindowRateLimiter(storage)
        self._close = close
        # What was refused just now, and for how many seconds: a flood is not passed on to a storage elsewhere
        self._refused = Counters(most=_MOST_REFUSED, cells=0)

    async def close(self) -> None:
        if self._close is not None:
            await self._close()

    async def consume(self, attempts: Sequence[Attempt]) -> None:
        """Count one call. Raises BudgetExhausted if there is nothing left to spend."""
        for each in attempts:
            if seconds := self._refused.count(_slot_of(each)):
                raise BudgetExhausted(each, seconds)
        # Looking comes first, for all of them; counting decides, for who looked at the same time
        for ask in (self._limiter.test, self._limiter.hit):
            for each in attempts:
                for window in each.windows:
                    if not await ask(window, each.kind, each.scope, each.key):
                        raise await self._refuse(attempts, each)

    async def clear(self, attempts: Sequence[Attempt]) -> None:
        """Forget the tries that led to a success, where it speaks for all of them."""
        for each in attempts:
            if each.is_cleared:
                self._refused.forget(_slot_of(each))
                for window in each.windows:
                    await self._limiter.clear(window, each.kind, each.scope, each.key)

    async def _refuse(self, attempts: Sequence[Attempt], exhausted: Attempt) -> BudgetExhausted:
        seconds = await self._seconds_left(attempts)
        is_new = not self._refused.count(_slot_of(exhausted))
        if self._close is not None and is_new and seconds > _LEAST_SECONDS:
            self._refused.add(_slot_of(exhausted), _REMEMBERED_SECONDS, seconds)
        return BudgetExhausted(exhausted, seconds)

    async def _seconds_left(self, attempts: Sequence[Attempt]) -> int:
        """The longest that a full window still has, among all that the next call would be counted in."""
        left = 0.0
        for each in attempts:
            for window in each.windows:
                stats = await self._limiter.get_window_stats(window, each.kind, each.scope, each.key)
                if stats.remaining <= 0:
                    left = max(left, stats.reset_time - time.time())
        return max(1, math.ceil(left + _ROUNDING_SECONDS))


def _slot_of(each: Attempt) -> str:
    return f"{each.kind}/{each.scope}/{each.key}"
