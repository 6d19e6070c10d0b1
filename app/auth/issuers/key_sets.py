"""The keys of one issuer: fetched in the background, kept while the issuer is unreachable.

A request waits for a fetch only if its token names a key that is not in the set, or if there is no set yet.
For an unknown `kid`, the set is fetched at most once a minute, so made-up ones cause no load.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from app.auth.issuers.fetching import FetchFailed
from app.core.tokens.jwk import Key
from app.errors import IssuerUnavailable
from app.events import IssuerKeysFetched, IssuerKeysUnavailable, Observer

REFRESH_SECONDS: Final = 600.0
UNKNOWN_KEY_SECONDS: Final = 60.0  # between two fetches for keys that are not in the set
_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 60.0

Fetch = Callable[[], Awaitable[tuple[Key, ...]]]


class KeySet:
    """The keys of one issuer. `run` keeps them fresh; it runs until it is cancelled."""

    def __init__(self, issuer: str, fetch: Fetch, now: Callable[[], float], observe: Observer) -> None:
        """`fetch` raises FetchFailed; `now` is a monotonic clock in seconds."""
        self._issuer = issuer
        self._fetch = fetch
        self._now = now
        self._observe = observe
        self._keys: tuple[Key, ...] = ()
        self._flight: asyncio.Task[None] | None = None
        self._next_unknown = float("-inf")
        self._is_reachable: bool | None = None

    async def run(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            if await self._refresh():
                pause = _FIRST_PAUSE
                await asyncio.sleep(REFRESH_SECONDS)
            else:
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)

    async def keys_for(self, key_id: str | None) -> Sequence[Key]:
        """The keys, fetched again if none of them has this `kid`. Raises IssuerUnavailable without any."""
        if not self._has(key_id) and (self._flight is not None or self._may_fetch()):
            await self._refresh()
        if not self._keys:
            raise IssuerUnavailable(reason=f"keys of {self._issuer}")
        return self._keys

    def _has(self, key_id: str | None) -> bool:
        return bool(self._keys) and (key_id is None or any(key.key_id == key_id for key in self._keys))

    def _may_fetch(self) -> bool:
        """Whether a request may cause a fetch now. Without keys, `run` repeats it soon enough."""
        now = self._now()
        if now < self._next_unknown:
            return False
        self._next_unknown = now + (UNKNOWN_KEY_SECONDS if self._keys else _FIRST_PAUSE)
        return True

    async def _refresh(self) -> bool:
        """Fetch, or wait for the fetch in flight. Returns whether the issuer was reachable."""
        if self._flight is None:
            self._flight = asyncio.create_task(self._fetch_once())
            self._flight.add_done_callback(self._landed)
        await asyncio.shield(self._flight)  # one waiter that gives up must not cancel it for the others
        return self._is_reachable is True

    def _landed(self, _: object) -> None:
        self._flight = None

    async def _fetch_once(self) -> None:
        try:
            self._keys = await self._fetch()
        except Exception as error:  # noqa: BLE001  `run` must survive any error of the client
            reason = str(error) if isinstance(error, FetchFailed) else type(error).__name__
            if self._is_reachable is not False:
                self._observe(IssuerKeysUnavailable(self._issuer, reason))
            self._is_reachable = False
            return
        if not self._is_reachable:
            self._observe(IssuerKeysFetched(self._issuer, len(self._keys)))
        self._is_reachable = True
