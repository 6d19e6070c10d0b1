"""Applies app/sql to a database: in order, once, and safely when several start at the same time.

Each file books itself in postgate.migration, so it may as well be run by hand with psql; this module
adds the lock, the time-outs and the checksums. It knows nothing of what the files do, prints nothing,
and no error of it shows a value, a host or a password.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import asyncpg

from app.database import Connection, connected

SQL: Final[Traversable] = files("app") / "sql"

WAIT_SECONDS: Final = 60  # for another migration to end
LOCK_MILLISECONDS: Final = 4_000  # a migration that waits for a lock makes everyone behind it wait
STATEMENT_MILLISECONDS: Final = 30_000

# The lock is of this database: nobody else locks this number by chance
_ADVISORY_LOCK: Final = int.from_bytes(b"postgate", "big")
_FILE_NAME: Final = re.compile(r"(?P<name>(?P<version>[0-9]{4})_[a-z0-9_]+)\.sql")


class MigrationError(Exception):
    """Why a database could not be migrated; the text is fit for an operator's screen."""


class MigrationBusy(MigrationError):
    def __init__(self) -> None:
        super().__init__("Another migration of this database is still running. Try again later.")


class MigrationEdited(MigrationError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f"{name}.sql is not the file that this database was migrated with. "
            "Restore it, and put the change into a new file."
        )


class DatabaseNewer(MigrationError):
    def __init__(self, database: int, code: int) -> None:
        self.database = database
        self.code = code
        super().__init__(
            f"The database is at migration {database}, this release knows {code}: "
            "run the release that migrated it, or a newer one."
        )


class MigrationSkipped(MigrationError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"The database lacks {name}, but has had a later migration.")


class MigrationRefused(MigrationError):
    """The server refused a statement. Its detail is left out: it may quote rows."""

    def __init__(self, name: str, error: asyncpg.PostgresError) -> None:
        self.name = name
        self.sqlstate: str = error.sqlstate or ""
        hint = f" {error.hint}" if error.hint else ""
        super().__init__(f"{name} failed: {error.message or 'no reason given'} ({self.sqlstate}).{hint}")


@dataclass(frozen=True, slots=True)
class Migration:
    version: int
    name: str
    checksum: str = field(repr=False)
    sql: str = field(repr=False)


def load(directory: Traversable = SQL) -> list[Migration]:
    """The migrations of a folder, in order; ValueError unless numbered 1, 2, 3 ... without a gap."""
    migrations: list[Migration] = []
    for file in sorted(directory.iterdir(), key=lambda file: file.name):
        if not file.name.endswith(".sql"):
            continue
        match = _FILE_NAME.fullmatch(file.name)
        if match is None or int(match["version"]) != len(migrations) + 1:
            raise ValueError(f"{file.name} is not the name of migration {len(migrations) + 1}")
        # Read as text: a checkout with CRLF is the same file
        sql = file.read_text(encoding="utf-8")
        checksum = hashlib.sha256(sql.encode()).hexdigest()
        migrations.append(Migration(int(match["version"]), match["name"], checksum, sql))
    return migrations


async def migrate(
    dsn: str,
    *,
    directory: Traversable = SQL,
    on_applied: Callable[[Migration], None] | None = None,
    wait_seconds: float = WAIT_SECONDS,
) -> list[Migration]:
    """Brings the database up to date and returns what was applied; nothing if it was already.

    Raises MigrationError, DatabaseUnreachable.
    """
    migrations = load(directory)
    async with _connected(dsn) as connection:
        await _lock(connection, wait_seconds)
        outstanding = await _compare(connection, migrations)
        await _adopt(connection, migrations)
        for migration in outstanding:
            await _apply(connection, migration, is_last=migration is outstanding[-1])
            if on_applied is not None:
                on_applied(migration)
    return outstanding


async def pending(dsn: str, *, directory: Traversable = SQL) -> list[Migration]:
    """What `migrate` would apply. Changes nothing and waits for nobody. Raises as `migrate` does."""
    migrations = load(directory)
    async with _connected(dsn) as connection:
        return await _compare(connection, migrations)


def _connected(dsn: str) -> AbstractAsyncContextManager[Connection]:
    """The server ends what takes too long: here the time-outs differ from statement to statement."""
    return connected(dsn, name="postgate migrate", command_seconds=None)


async def _lock(connection: Connection, wait_seconds: float) -> None:
    """Held by the session until it closes: a lock of a pooled connection could be reset away."""
    await connection.execute(f"set statement_timeout = 0; set lock_timeout = {round(wait_seconds * 1000)}")
    try:
        await connection.execute("select pg_catalog.pg_advisory_lock($1)", _ADVISORY_LOCK)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationBusy from error
    await connection.execute(
        f"set statement_timeout = {STATEMENT_MILLISECONDS}; set lock_timeout = {LOCK_MILLISECONDS}"
    )


async def _compare(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """The migrations the database lacks, once sure that those it has are ours."""
    try:
        booked = await _read_book(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefused("The book of migrations", error) from error
    newest = max(booked, default=0)
    if newest > len(migrations):
        raise DatabaseNewer(newest, len(migrations))
    outstanding = []
    for migration in migrations:
        if migration.version not in booked:
            if migration.version < newest:
                raise MigrationSkipped(migration.name)
            outstanding.append(migration)
        elif booked[migration.version] not in (
            (migration.name, migration.checksum),
            (migration.name, None),  # run by hand
        ):
            raise MigrationEdited(migration.name)
    return outstanding


async def _read_book(connection: Connection) -> dict[int, tuple[str, str | None]]:
    if await connection.fetchval("select pg_catalog.to_regclass('postgate.migration') is null"):
        return {}
    rows = await connection.fetch("select version, name, checksum from postgate.migration")
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


async def _adopt(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Fills in the checksums of files that were run by hand; there is nothing else to repair."""
    if await _read_book(connection):
        await connection.executemany(
            "update postgate.migration set checksum = $2 where version = $1 and checksum is null",
            [(migration.version, migration.checksum) for migration in migrations],
        )


async def _apply(connection: Connection, migration: Migration, *, is_last: bool) -> None:
    try:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "update postgate.migration set checksum = $2 where version = $1",
                migration.version,
                migration.checksum,
            )
            if is_last:  # with the commit, so that PostgREST can neither miss it nor come too early
                await connection.execute("notify pgrst, 'reload schema'")
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationRefused(f"{migration.name}.sql", error) from error
