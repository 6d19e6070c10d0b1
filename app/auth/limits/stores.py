"""Budgets in a Valkey or Redis that several gateways share.

While the store is unreachable, or its memory is full, each process counts by itself, on top of the store's
counts: an outage locks no account, and leaves no account without a limit. A store that evicts counters would
reset an attacker's attempts, so its policy must be `noeviction`. No error and no event from here contains the
store's URL, which may have a password.
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
    ConnectionError,  # noqa: A004  the client's name for it
    OutOfMemoryError,
    ResponseError,
)
from typing_extensions import override

from app.events import LimitStoreLost, LimitStoreRestored, Observer
from app.network import words

_PREFIX: Final = "postgate"
_RESPONSE_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 2.0  # until one call attempts to use a lost store again
_CONNECTIONS: Final = 8
_FAILURES: Final = (StorageError, OSError)  # TimeoutError is an OSError

T = TypeVar("T")


class SharedStorage(Storage):
    """The shared store, with this process's counters as the fallback."""

    STORAGE_SCHEME: list[str] | None = None  # not registered for URLs

    def __init__(
        self, url: str, own: Storage, observe: Observer, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        super().__init__()
        self._pool: ConnectionPool = ConnectionPool.from_url(
            url,
            socket_timeout=_RESPONSE_SECONDS,
            socket_connect_timeout=_RESPONSE_SECONDS,
            # One retry on a stale connection; none after a timeout
            retry=Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
        )
        options: dict[str, Any] = {"connection_pool": self._pool}
        self._shared = RedisStorage(
            "async+redis://", wrap_exceptions=True, implementation="redispy", key_prefix=_PREFIX, **options
        )
        self._own = own
        self._observe = observe
        self._clock = clock
        self._slots = asyncio.Semaphore(_CONNECTIONS)  # waiting for a connection is not an outage
        self._is_lost = False
        self._is_full = False  # it responds, but cannot count: its memory is full, or it is a replica
        self._retry_at = 0.0

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.aclose()

    async def _query(self, operation: Callable[[Storage], Awaitable[T]], *, counts: bool = False) -> T | None:
        """The store's result; None while it cannot be used."""
        async with self._slots:
            if self._may_query(counts=counts):
                try:
                    result = await operation(self._shared)
                except _FAILURES as error:
                    self._fail(error, counts=counts)
                else:
                    self._restore(counts=counts)
                    return result
        return None

    def _may_query(self, *, counts: bool) -> bool:
        if self._is_lost or (counts and self._is_full):
            if self._clock() < self._retry_at:
                return False
            self._retry_at = self._clock() + _PAUSE_SECONDS
        return True

    def _restore(self, *, counts: bool) -> None:
        was_reported = self._is_lost or self._is_full
        self._is_lost = False
        self._is_full = self._is_full and not counts
        if was_reported and not self._is_full:
            self._observe(LimitStoreRestored())

    def _fail(self, error: Exception, *, counts: bool) -> None:
        self._retry_at = self._clock() + _PAUSE_SECONDS
        cause = error.storage_error if isinstance(error, StorageError) else error
        was_reported = self._is_lost or self._is_full
        if counts and isinstance(cause, ResponseError):
            self._is_full = True
        else:
            self._is_lost = True
        if not was_reported:
            self._observe(LimitStoreLost(_why(cause)))

    # The interface of the library's strategies

    @property
    @override
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return self._shared.base_exceptions

    @override
    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        counted = await self._query(lambda storage: storage.incr(key, expiry, amount), counts=True)
        if counted is not None:
            return counted + await self._own.get(key)
        return await self._own.incr(key, expiry, amount) + (await self._shared_count(key))

    @override
    async def get(self, key: str) -> int:
        return await self._shared_count(key) + await self._own.get(key)

    @override
    async def get_expiry(self, key: str) -> float:
        shared = await self._query(lambda storage: storage.get_expiry(key))
        return max(shared or 0.0, await self._own.get_expiry(key))

    @override
    async def clear(self, key: str) -> None:
        await self._query(lambda storage: storage.clear(key))
        await self._own.clear(key)

    async def _shared_count(self, key: str) -> int:
        return await self._query(lambda storage: storage.get(key)) or 0

    @override
    async def check(self) -> bool:
        return await self._shared.check()

    @override
    async def reset(self) -> int | None:
        raise PermissionError("all counters cannot be cleared at once")


def _why(cause: BaseException) -> str:
    if isinstance(cause, (AuthenticationError, AuthorizationError)):
        return "it does not accept the user or the password"
    if isinstance(cause, OutOfMemoryError):
        return "its memory is full"
    if isinstance(cause, ResponseError):
        return "it rejects a command"
    return words(cause)
