"""Listen to Postgres for revoked sessions: one connection with LISTEN, and the list to start from.

Other parts can be woken by further channels of the same connection.

SQL that revokes a session notifies, and the revocations are updated within one round trip. After each
connect, `ended_sessions()` lists the sessions revoked meanwhile: listening starts before the list is read, so
that none is missed. Databases with other auth functions need no such list, and may send the same
notification.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, TypeAlias

import asyncpg

from app.auth.context import quote_name
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions
from app.database import reason as why
from app.events import Observer, RevocationsConnected, RevocationsDisconnected

CHANNEL: Final = "postgate_session_ended"
_MARGIN_SECONDS: Final = 60  # the gateway's clock may be behind the database's by this
# Longest lifetime of an access token that a notification can claim. Some recipes' tokens are good for weeks
_LONGEST_SECONDS: Final = 366 * 86_400
_HEARTBEAT_SECONDS: Final = 5.0  # a dead connection is detected within twice this
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_is_digest = re.compile(r"[0-9a-f]{64}").fullmatch
_NO_LIST: Final = (asyncpg.UndefinedFunctionError, asyncpg.InvalidSchemaNameError)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"  # generic in its stubs alone
Connect: TypeAlias = Callable[[], Awaitable[Connection]]


class RevocationListener:
    """Updates the revocations while `run` runs."""

    def __init__(
        self,
        connect: Connect,
        revocations: Revocations,
        observe: Observer,
        *,
        schema: str,
        wakes: Mapping[str, Callable[[], None]] | None = None,
        admissions: Admissions | None = None,
    ) -> None:
        """`wakes`: by channel, what is called for each notification and after each connect.

        `admissions`: the decisions about tokens of issuers, whose subjects are revoked alike.
        """
        self._wakes = wakes or {}
        self._connect = connect
        self._admissions = admissions
        self._revocations = revocations
        self._observe = observe
        # Casts, because asyncpg looks up unknown types with a query that names no schema
        self._list = (
            "select sid::pg_catalog.text as sid, seconds::pg_catalog.int8 as seconds "  # noqa: S608  quoted
            f"from {quote_name(schema)}.ended_sessions()"
        )
        self._attempted = asyncio.Event()
        self._is_reported = False

    async def wait_first_attempt(self, seconds: float) -> None:
        """Wait for the result of the first attempt, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._attempted.wait()

    async def run(self) -> None:
        """Listen, and reconnect when the connection is lost. Runs until it is cancelled."""
        pause = _FIRST_PAUSE
        while True:
            try:
                connection = await self._connect()
                pause = _FIRST_PAUSE
                reason = await self._listen(connection)
            except Exception as error:  # noqa: BLE001  the task must survive any error of the driver
                reason = why(error)  # the error's text may contain the URL
            self._disconnect(reason)
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _listen(self, connection: Connection) -> str:
        """Listen until the connection is lost. Returns the reason."""
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _: lost.set())
        try:
            await connection.add_listener(CHANNEL, self._receive)
            for channel, wake in self._wakes.items():
                await connection.add_listener(channel, lambda *_, wake=wake: wake())
                wake()  # notifications may have been missed
            await self._load(connection)
            while not lost.is_set():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_HEARTBEAT_SECONDS):
                        await lost.wait()
                self._revocations.drop_expired(time.time())
                if not lost.is_set():
                    await connection.execute("select", timeout=_HEARTBEAT_SECONDS)
        finally:
            connection.terminate()
        return "connection lost"

    async def _load(self, connection: Connection) -> None:
        """Read the list of revoked sessions. Without the privilege, notifications still arrive."""
        try:
            rows = await connection.fetch(self._list)
        except asyncpg.InsufficientPrivilegeError:
            self._disconnect("this login may not execute ended_sessions()")
        except _NO_LIST:
            self._restore([])  # other auth functions, without a list
        else:
            self._restore(rows)

    def _restore(self, rows: Sequence[asyncpg.Record]) -> None:
        for row in rows:
            self._revoke(row["sid"], row["seconds"])
        self._revocations.connected()
        if self._admissions is not None:
            self._admissions.drop_all()  # revoked subjects are not listed: the function decides again
        self._is_reported = False
        self._attempted.set()
        self._observe(RevocationsConnected(len(self._revocations)))

    def _disconnect(self, reason: str) -> None:
        self._revocations.disconnected()
        self._attempted.set()
        if not self._is_reported:
            self._is_reported = True
            self._observe(RevocationsDisconnected(reason))

    def _receive(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        """Handle a notification; one of an unknown form is ignored."""
        with suppress(ValueError, TypeError, KeyError, RecursionError):
            notification: Any = json.loads(str(payload))
            if "issued_subject" in notification:
                self._revoke_subject(notification["issued_subject"])
                return
            self._revoke(notification["sid"], notification["seconds"])

    def _revoke_subject(self, subject: object) -> None:
        if self._admissions is not None and isinstance(subject, str) and _is_digest(subject):
            self._admissions.revoke(subject, time.time())

    def _revoke(self, session: object, seconds: object) -> None:
        if isinstance(session, str) and isinstance(seconds, int) and seconds > 0:
            self._revocations.revoke(session, time.time() + min(seconds, _LONGEST_SECONDS) + _MARGIN_SECONDS)
