"""Budgets counted in a Valkey or Redis that several gateways share.

While it cannot be reached, each process counts for itself: nobody is locked out by the outage, and nobody is
unlimited. Nothing that is raised or told from here holds the store's URL: there may be a password in it.
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
from redis.exceptions import AuthenticationError, AuthorizationError, ConnectionError, ResponseError  # noqa: A004
from typing_extensions import override

from app.events import LimitStoreFound, LimitStoreLost, Observer
from app.network import words

_PREFIX: Final = "postgate"
_ANSWER_SECONDS: Final = 1.0
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
            socket_timeout=_ANSWER_SECONDS,
            socket_connect_timeout=_ANSWER_SECONDS,
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
        self._ask_again = 0.0

    async def close(self) -> None:
        await self._pool.aclose()

    async def _ask(self, question: Callable[[Storage], Awaitable[T]]) -> T:
        async with self._turns:
            if self._may_ask():
                try:
                    answer = await question(self._shared)
                except _FAILURES as error:
                    self._lose(error)
                else:
                    self._find()
                    return answer
        return await question(self._own)

    def _may_ask(self) -> bool:
        if self._is_lost:
            if self._clock() < self._ask_again:
                return False
            self._ask_again = self._clock() + _PAUSE_SECONDS
        return True

    def _find(self) -> None:
        if self._is_lost:
            self._is_lost = False
            self._observe(LimitStoreFound())

    def _lose(self, error: Exception) -> None:
        self._ask_again = self._clock() + _PAUSE_SECONDS
        if not self._is_lost:
            self._is_lost = True
            cause = error.storage_error if isinstance(error, StorageError) else error
            self._observe(LimitStoreLost(_why(cause)))

    # for the strategies

    @property
    @override
    def base_exceptions(self) -> type[Exception] | tuple[type[Exception], ...]:
        return self._shared.base_exceptions

    @override
    async def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        return await self._ask(lambda storage: storage.incr(key, expiry, amount))

    @override
    async def get(self, key: str) -> int:
        return await self._ask(lambda storage: storage.get(key))

    @override
    async def get_expiry(self, key: str) -> float:
        return await self._ask(lambda storage: storage.get_expiry(key))

    @override
    async def clear(self, key: str) -> None:
        await self._ask(lambda storage: storage.clear(key))

    @override
    async def check(self) -> bool:
        return await self._shared.check()

    @override
    async def reset(self) -> int | None:
        raise PermissionError("nobody may forget all tries at once")


def _why(cause: BaseException) -> str:
    if isinstance(cause, (AuthenticationError, AuthorizationError)):
        return "it does not accept the user or the password"
    if isinstance(cause, ResponseError):
        return "it refuses a command"
    return words(cause)
