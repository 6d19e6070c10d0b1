"""One database of the embedded cluster: how to connect to it, and plain statements for tests."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import asyncpg

from app.devstack.postgres import SUPERUSER

PORT = 5432  # names the socket; explicit, so that no PGPORT of the caller changes it
CONNECT_SECONDS = 10.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Database:
    name: str
    socket_folder: Path

    def dsn(self, role: str) -> str:
        """A connection string for libpq and asyncpg. The server trusts, so there is no password."""
        folder = quote(str(self.socket_folder), safe="/")
        return f"postgresql://{quote(role)}@/{quote(self.name)}?host={folder}&port={PORT}"

    @property
    def owner_dsn(self) -> str:
        return self.dsn(SUPERUSER)

    @property
    def gateway_dsn(self) -> str:
        return self.dsn("gateway")

    @property
    def authenticator_dsn(self) -> str:
        return self.dsn("authenticator")

    def execute(self, statements: str, *, role: str = SUPERUSER) -> None:
        """Run statements on a new connection. Also works inside a running event loop."""
        run_now(execute(self.dsn(role), statements))

    def fetch(self, query: str, *arguments: object, role: str = SUPERUSER) -> list[asyncpg.Record]:
        return run_now(self._fetch(query, arguments, role))

    async def _fetch(self, query: str, arguments: tuple[object, ...], role: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.dsn(role), timeout=CONNECT_SECONDS)
        try:
            return await connection.fetch(query, *arguments)
        finally:
            await connection.close()


async def execute(dsn: str, statements: str) -> None:
    """Run statements as one transaction on a new connection."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


def run_now(work: Coroutine[object, object, T]) -> T:
    """Run a coroutine to its end from plain code, even inside a running event loop."""
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(asyncio.run, work).result()
