"""Budgets counted in a Valkey or Redis that several gateways share.

While it cannot be reached, or its memory is full, each process counts for itself, on top of what the store
has counted: an outage locks no account out, and leaves none without a limit. A store that drops counters to
make room would give an attacker fresh attempts, so its policy has to be `noeviction`. No error and no event
from here holds the store's URL: there may be a password in it.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from limits.aio.storage import RedisStorage, Storage
from limits.errors import StorageError
from redis.asyncio import ConnectionPool
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    ConnectionError,  # noqa: A004  as the client has it
    OutOfMemoryError,
    ResponseError,
)
from typing_extensions import override

from app.events import LimitStoreLost, LimitStoreRestored, Observer
from app.network import words

_PREFIX: Final = "postgate"
_RESPONSE_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 2.0  # until a store that was lost is asked again, by one call for all
_CONNECTIONS: Final = 8
_FAILURES: Final = (StorageError, OSError)  # TimeoutError is an OSError

T = TypeVar("T")


class SharedStorage(Storage):
    """The shared store, and this process's own to fall back on."""

    STORAGE_SCHEME: list[str] | None = None  # made here alone

    def __init__(
        self, url: str, own: Storage, observe: Observer, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url,
            socket_timeout=_RESPONSE_SECONDS,
            socket_connect_timeout=_RESPONSE_SECONDS,
            # A connection may have gone stale since it was used; one that hangs is not asked twice
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        )
        options: dict[str, Any] = {"connection_pool": self._pool}
        self._shared = RedisStorage(
            "async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix=_PREFIX, **options
        )
        self._own = own
        self._observe = observe
        self._clock = clock
        self._turns = asyncio.Semaphore(_CONNECTIONS)  # to wait for a connection is no outage
        self._is_lost = False
        self._is_full = False  # it answers, and does not count: its memory is full, or it is a replica
        self._ask_again = 0.0

    async def close(self) -> None:
        await self._pool.aclose()

    async def _ask(self, question: Callable[[Storage], Awaitable[T]], *, counts: bool = False) -> T | None:
        """The store's answer; None while it cannot be used."""
        async with self._turns:
            if self._may_ask(counts=counts):
                try:
                    answer = await question(self._shared)
                except _FAILURES as error:
                    self._lose(error, counts=counts)
                else:
                    self._find(counts=counts)
                    return answer
        return None

    def _may_ask(self, *, counts: bool) -> bool:
        if self._is_lost or (counts and self._is_full):
            if self._clock() < self._ask_again:
                return False
            self._ask_again = self._clock() + _PAUSE_SECONDS
        return True

    def _find(self, *, counts: bool) -> None:
        was_told = self._is_lost or self._is_full
        self._is_lost = False
        self._is_full = self._is_full and not counts
        if was_told and not self._is_full:
            self._observe(LimitStoreRestored())

    def _lose(self, error: Exception, *, counts: bool) -> None:
        self._ask_again = self._clock() + _PAUSE_SECONDS
        cause = error.storage_error if isinstance(error, StorageError) else error
        was_told = self._is_lost or self._is_full
        if counts and isinstance(cause, ResponseError):
            self._is_full = True
        else:
            self._is_lost = True
        if not was_told:
            self._observe(LimitStoreLost(_why(cause)))

    # for the strategies

    @property
    @override
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return self._shared.base_exceptions

    @override
    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        counted = await self._ask(lambda storage: storage.incr(key, expiry, amount), counts=True)
        if counted is not None:
            return counted + await self._own.get(key)
        return await self._own.incr(key, expiry, amount) + (await self._shared_count(key))

    @override
    async def get(self, key: str) -> int:
        return await self._shared_count(key) + await self._own.get(key)

    @override
    async def get_expiry(self, key: str) -> float:
        shared = await self._ask(lambda storage: storage.get_expiry(key))
        return max(shared or 0.0, await self._own.get_expiry(key))

    @override
    async def clear(self, key: str) -> None:
        await self._ask(lambda storage: storage.clear(key))
        await self._own.clear(key)

    async def _shared_count(self, key: str) -> int:
        return await self._ask(lambda storage: storage.get(key)) or 0

    @override
    async def check(self) -> bool:
        return await self._shared.check()

    @override
    async def reset(self) -> int | None:
        raise PermissionError("no caller may forget all attempts at once")


def _why(cause: BaseException) -> str:
    if isinstance(cause, (AuthenticationError, AuthorizationError)):
        return "it does not accept the user or the password"
    if isinstance(cause, OutOfMemoryError):
        return "its memory is full"
    if isinstance(cause, ResponseError):
        return "it refuses a command"
    return words(cause)
