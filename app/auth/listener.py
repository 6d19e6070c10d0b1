"""Hear from Postgres which sessions end: one connection that listens, and a list to start from.

Whatever ends a session in SQL notifies, and the deny set learns of it in the time of one round trip. What was
missed while there was no connection is read from `ended_sessions()` after each connect: first listen, then
read, so that nothing falls between. Auth functions of one's own need no such list; they may notify likewise.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import asyncpg

from app.auth.context import quote_name
from app.core.session.revocations import Revocations
from app.database import reason as why
from app.events import Observer, RevocationsConnected, RevocationsDisconnected

CHANNEL: Final = "postgate_session_ended"
_MARGIN_SECONDS: Final = 60  # by which the gateway's clock may be behind the database's
_LONGEST_SECONDS: Final = 86_400  # no access token should live longer, whatever a notification says
_BEAT_SECONDS: Final = 5.0  # a connection that has died in silence is found out within twice this
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_NO_LIST: Final = (asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic in its stubs alone
Connect: TypeAlias = Callable[[], Awaitable[Connection]]


class RevocationListener:
    """Keeps the deny set up to date, for as long as `run` runs."""

    def __init__(self, connect: Connect, ended: Revocations, observe: Observer, *, schema: str) -> None:
        self._connect = connect
        self._ended = ended
        self._observe = observe
        # Cast, so that asyncpg knows the types: what it would ask of others names no schema
        self._list = (
            "select sid::pg_catalog.text as sid, seconds::pg_catalog.int8 as seconds "  # noqa: S608  quoted
            f"from {quote_name(schema)}.ended_sessions()"
        )
        self._tried = asyncio.Event()
        self._is_missing = False

    async def wait_first_attempt(self, seconds: float) -> None:
        """Wait until the first attempt has come to something, but not for ever."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._tried.wait()

    async def run(self) -> None:
        """Listen, and connect again whenever the connection is lost. Ends by cancellation only."""
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = await self._connect()
                pause = _FIRST_PAUSE
                reason = await self._listen(connection)
            except Exception as error:  # noqa: BLE001  a driver raises anything, and nobody waits for us
                reason = why(error)  # the error's own text may hold the URL
            self._lose(reason)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _listen(self, connection: Connection) -> str:
        """Listen until the connection is lost."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(CHANNEL, self._hear)
            await self._load(connection)
            while not lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_BEAT_SECONDS):
                        await lost.wait()
                self._ended.drop_expired(time.time())
                if not lost.is_set():
                    await connection.execute("select", timeout=_BEAT_SECONDS)
        finally:
            connection.terminate()
        return "connection lost"

    async def _load(self, connection: Connection) -> None:
        """Learn what was missed; without the right to, what comes from now on is heard all the same."""
        try:
            rows = await connection.fetch(self._list)
        except asyncpg.InsufficientPrivilegeError:
            self._lose("this login may not execute ended_sessions()")
        except _NO_LIST:
            self._gain([])  # auth functions of one's own
        else:
            self._gain(rows)

    def _gain(self, rows: Sequence[asyncpg.Record]) -> None:
        for row in rows:
            self._end(row["sid"], row["seconds"])
        self._ended.hears()
        self._is_missing = False
        self._tried.set()
        self._observe(RevocationsConnected(len(self._ended)))

    def _lose(self, reason: str) -> None:
        self._ended.disconnected()
        self._tried.set()
        if not self._is_missing:
            self._is_missing = True
            self._observe(RevocationsDisconnected(reason))

    def _hear(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        """Take a notification; one that is not of the known form says nothing."""
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            told: Any = json.loads(str(payload))
            self._end(told["sid"], told["seconds"])

    def _end(self, session: object, seconds: object) -> None:
        if isinstance(session, str) and isinstance(seconds, int) and seconds > 0:
            self._ended.end(session, time.time() + min(seconds, _LONGEST_SECONDS) + _MARGIN_SECONDS)
