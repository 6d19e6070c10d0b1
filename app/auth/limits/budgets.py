"""Budgets of attempts, each with several windows of time: whether a call may still be made.

Calls are counted before they are made, so that concurrent calls cannot exceed a budget. A rejected call is
not counted: retrying a locked account does not extend the lock, and does not use up the budgets of others.
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
_MAX_CACHED: Final = 10_000
_CACHED_SECONDS: Final = 1
_MIN_CACHED_SECONDS: Final = 3  # shorter rejections are not cached: the entry must expire before they do
_ROUNDING_SECONDS: Final = 0.5  # Redis and Valkey report the rest of a window in whole seconds

Windows: TypeAlias = tuple[RateLimitItem, ...]


class Attempt(NamedTuple):
    """One attempt, counted in one budget."""

    kind: str  # the family of functions: "login"
    scope: str  # "address", "account", "pair", "session"
    key: str  # the digest of the address, account, pair or session
    windows: Windows  # shortest first
    is_cleared: bool = False  # success clears the budget


class BudgetExhausted(Exception):
    """A budget of a call has no attempts left in one of its windows."""

    def __init__(self, exhausted: Attempt, seconds: int) -> None:
        super().__init__()
        self.exhausted = exhausted
        self.seconds = seconds  # until all windows of the call's budgets have attempts left


def read_windows(text: str) -> Windows:
    """The windows of a limit such as `5/minute,20/hour`, shortest first; empty for `off`."""
    if text == OFF:
        return ()
    return tuple(sorted(parse_many(text), key=RateLimitItem.get_expiry))


@lru_cache(maxsize=256)  # limits and shares are few
def widened(windows: Windows, share: int) -> Windows:
    """The same windows with `share` times the attempts."""
    return tuple(type(window)(window.amount * share, window.multiples) for window in windows)


class Budgets:
    """The counters of all budgets, in the given storage."""

    def __init__(self, storage: Storage, *, close: Callable[[], Awaitable[None]] | None = None) -> None:
        """`close` is given for a remote storage; its rejections are cached in this process for a second."""
        self._limiter = FixedWindowRateLimiter(storage)
        self._close = close
        # Exhausted budgets, and for how many seconds: a flood must not reach a remote storage
        self._exhausted = Counters(most=_MAX_CACHED, cells=0)

    async def close(self) -> None:
        """Close the remote storage, if there is one."""
        if self._close is not None:
            await self._close()

    async def consume(self, attempts: Sequence[Attempt]) -> None:
        """Count one call in all its budgets. Raises BudgetExhausted if one has no attempts left."""
        for each in attempts:
            if seconds := self._exhausted.count(_slot_of(each)):
                raise BudgetExhausted(each, seconds)
        # First all are tested, so that a rejected call is counted in none; then counting decides between
        # concurrent calls
        for admits in (self._limiter.test, self._limiter.hit):
            for each in attempts:
                for window in each.windows:
                    if not await admits(window, each.kind, each.scope, each.key):
                        raise await self._exhaust(attempts, each)

    async def clear(self, attempts: Sequence[Attempt]) -> None:
        """Clear the budgets that a success clears."""
        for each in attempts:
            if each.is_cleared:
                self._exhausted.clear(_slot_of(each))
                for window in each.windows:
                    await self._limiter.clear(window, each.kind, each.scope, each.key)

    async def _exhaust(self, attempts: Sequence[Attempt], exhausted: Attempt) -> BudgetExhausted:
        seconds = await self._seconds_left(attempts)
        is_new = not self._exhausted.count(_slot_of(exhausted))
        if self._close is not None and is_new and seconds > _MIN_CACHED_SECONDS:
            self._exhausted.add(_slot_of(exhausted), _CACHED_SECONDS, seconds)
        return BudgetExhausted(exhausted, seconds)

    async def _seconds_left(self, attempts: Sequence[Attempt]) -> int:
        """The longest time until a full window of these budgets ends, at least 1."""
        left = 0.0
        for each in attempts:
            for window in each.windows:
                stats = await self._limiter.get_window_stats(window, each.kind, each.scope, each.key)
                if stats.remaining <= 0:
                    left = max(left, stats.reset_time - time.time())
        return max(1, math.ceil(left + _ROUNDING_SECONDS))


def _slot_of(each: Attempt) -> str:
    return f"{each.kind}/{each.scope}/{each.key}"
