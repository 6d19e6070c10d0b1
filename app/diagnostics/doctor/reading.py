"""Queries to one database: read-only, each bounded in time, and a finding for each that fails."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg

from app.database import Connection, connected, rolled_back
from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding
from app.diagnostics.doctor.reach import LOOK_AS_ITS_OWNER, LOOK_FIRST, NOT_CHECKED
from app.operator import trust

# Reading a catalogue takes milliseconds; locked tables are skipped
_BOUNDS: Final = """
set local statement_timeout = '10s';
set local lock_timeout = '1s';
set local row_security = off
"""  # rows that a policy hides cause an error instead of being left out

_WORDS: Final = {
    "42501": "this login may not see it",
    "55P03": "it is locked",
    "57014": "the query took too long",
}

Row = asyncpg.Record


class Reader:
    """Runs queries as one login."""

    def __init__(self, connection: Connection, findings: list[Finding]) -> None:
        self._connection = connection
        self._findings = findings

    async def rows(self, what: str, query: str, *arguments: Any, role: str = "") -> Sequence[Row]:
        """The rows. If the server rejects the query: none, and a finding about `what`."""
        try:
            return await self.rows_or_error(query, *arguments, role=role)
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            self.add_not_checked(what, self.reason(error))
            return []

    async def rows_or_error(self, query: str, *arguments: Any, role: str = "") -> Sequence[Row]:
        """Raises asyncpg.PostgresError; the transaction stays usable."""
        savepoint = self._connection.transaction()
        await savepoint.start()
        try:
            if role:
                await self._connection.execute("select pg_catalog.set_config('role', $1, true)", role)
            return await self._connection.fetch(query, *arguments)
        finally:
            await savepoint.rollback()

    async def is_called_safely(self, what: str, schemas: Sequence[str]) -> bool:
        """Whether only trusted roles can define objects in these schemas. If not, adds a finding."""
        foreign_objects = await trust.foreign_objects(self.rows_or_error, schemas)
        if foreign_objects:
            self._findings.append(NOT_CHECKED.broken(what, detail=foreign_objects[0], fix=LOOK_FIRST))
        return not foreign_objects

    async def is_read_safely(self, schema: str, table: str) -> bool:
        """Whether reading this table runs no code of another login. If it would, adds a finding."""
        if await trust.is_ours(self.rows_or_error, schema, table):
            return True
        detail = "Reading it could run code of another login, with the rights of this one."
        what = f"rows of {sql_name(schema)}.{sql_name(table)}"
        self._findings.append(NOT_CHECKED.broken(what, detail=detail, fix=LOOK_AS_ITS_OWNER))
        return False

    def add_not_checked(self, what: str, why: str) -> None:
        self._findings.append(NOT_CHECKED.broken(what, detail=f"{why[:1].upper()}{why[1:]}."))

    @staticmethod
    def reason(error: asyncpg.PostgresError) -> str:
        """Why a query failed, without the server's text."""
        sqlstate = error.sqlstate or ""
        return _WORDS.get(sqlstate, f"the database rejects the query ({sqlstate})")


def fields(row: Row) -> dict[str, Any]:
    """A row as keyword arguments for a hashable record: arrays become tuples."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in row.items()}


@asynccontextmanager
async def reading(url: str, findings: list[Finding]) -> AsyncIterator[Reader]:
    """Raises DatabaseUnreachable."""
    async with connected(url) as connection, rolled_back(connection):
        await connection.execute(_BOUNDS)
        yield Reader(connection, findings)
