"""The queue of mails in the database: lease some, and report what became of each.

A lease ends by itself: what a killed process had leased is leased again later. At most one statement runs at
a time, so that mails never use more than one connection of the pool.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from app.auth.context import quote_name
from app.auth.documents import parse
from app.auth.queries import fetch
from app.auth.transactions import Pool, own_transaction

_SECONDS: Final = 5.0  # for a statement, with the time to get a connection


@dataclass(frozen=True, slots=True)
class Mail:
    """A leased row of the outbox."""

    id: UUID
    lease: UUID
    purpose: str
    address: str = field(repr=False)
    code_id: UUID | None = None
    request: UUID | None = None
    language: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)
    expires_at: datetime | None = None
    attempts: int = 1
    message_id: str | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """How many mails wait, for how long the oldest one has, and how many were given up."""

    waiting: int = 0
    oldest_seconds: float = 0.0
    failed: int = 0


class Outbox:
    """Calls the outbox's functions, as the gateway's login. Raises what asyncpg raises, and TimeoutError."""

    def __init__(self, pool: Pool, *, schema: str) -> None:
        self._pool = pool
        self._turn = asyncio.Lock()
        prefix = quote_name(schema)
        # Casts, because asyncpg looks up unknown types with a query that names no schema
        self._lease = (
            "select id::pg_catalog.text, lease::pg_catalog.text, purpose::pg_catalog.text,"  # noqa: S608  quoted
            " code_id::pg_catalog.text, request::pg_catalog.text, address::pg_catalog.text,"
            " language::pg_catalog.text, data::pg_catalog.text, expires_at::pg_catalog.timestamptz,"
            " attempts::pg_catalog.int4, message_id::pg_catalog.text"
            f" from {prefix}.lease_mails($1::pg_catalog.int4, $2::pg_catalog.int4)"
        )
        self._sent = (
            f"select {prefix}.mail_sent($1::pg_catalog.text::pg_catalog.uuid,"
            " $2::pg_catalog.text::pg_catalog.uuid)"
        )
        self._failed = (
            f"select {prefix}.mail_failed($1::pg_catalog.text::pg_catalog.uuid,"
            " $2::pg_catalog.text::pg_catalog.uuid, $3::pg_catalog.text, $4::pg_catalog.bool)"
        )
        self._queue = (
            "select waiting::pg_catalog.int8, oldest_seconds::pg_catalog.float8, failed::pg_catalog.int8"  # noqa: S608  quoted
            f" from {prefix}.mail_queue()"
        )

    async def lease(self, most: int, seconds: int) -> Sequence[Mail]:
        """At most so many mails that are due, leased for so many seconds."""
        return [_mail(row) for row in await self._fetch(self._lease, most, seconds)]

    async def report_sent(self, mail: Mail) -> None:
        await self._fetch(self._sent, str(mail.id), str(mail.lease))

    async def report_failed(self, mail: Mail, reason: str, *, is_permanent: bool) -> None:
        await self._fetch(self._failed, str(mail.id), str(mail.lease), reason, is_permanent)

    async def queue(self) -> Queue:
        rows = await self._fetch(self._queue)
        return Queue(rows[0]["waiting"], rows[0]["oldest_seconds"] or 0.0, rows[0]["failed"])

    async def _fetch(self, statement: str, *values: object) -> Sequence[Any]:
        async with (
            self._turn,
            asyncio.timeout(_SECONDS),
            self._pool.acquire() as connection,
            own_transaction(connection),  # behind a pooler, prepare and execute need one transaction
        ):
            return await fetch(connection, statement, *values)


def _mail(row: Mapping[str, Any]) -> Mail:
    def as_uuid(name: str) -> UUID | None:
        return UUID(row[name]) if row[name] is not None else None

    data = parse(row["data"]) if row["data"] else {}
    return Mail(
        id=UUID(row["id"]),
        lease=UUID(row["lease"]),
        purpose=row["purpose"],
        address=row["address"],
        code_id=as_uuid("code_id"),
        request=as_uuid("request"),
        language=row["language"],
        data=data if isinstance(data, dict) else {},
        expires_at=row["expires_at"],
        attempts=row["attempts"],
        message_id=row["message_id"],
    )
