"""Applies app/sql to a database: what it lacks, in one transaction, safely when several start at once.

Migrations (tables, types, roles) run once, in order. The routines (functions, triggers, views) have one
definition each and are applied again, all of them, when one of their files has changed or a migration is
due: so a migration may drop a routine that changes its arguments. Either everything that is due is applied,
or nothing.

The files book themselves in postgate.migration, so psql may run them as well; this module adds the lock, the
time-outs and the checksums. It does not know what the files do, prints nothing, and no error of it shows a
value, a host or a password.
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
from app.operator.owner import foreign_code

SQL: Final[Traversable] = files("app") / "sql"

WAIT_SECONDS: Final = 60  # for another migration to end
LOCK_MILLISECONDS: Final = 4_000  # a migration that waits for a lock makes everyone behind it wait
STATEMENT_MILLISECONDS: Final = 30_000

# The lock is of this database: no other program locks this number by chance
_ADVISORY_LOCK: Final = int.from_bytes(b"postgate", "big")
_FILE_NAME: Final = re.compile(r"(?P<name>(?P<version>[0-9]{4})_[a-z0-9_]+)\.sql")
_ROUTINES: Final = 0  # the version under which the routines are booked
_SAVE: Final = "update postgate.migration set checksum = $2 where version = $1"


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


class MigrationUnsafe(MigrationError):
    """Another login could have defined what a superuser would run."""


class MigrationRefused(MigrationError):
    """The server refused a statement. Its detail is left out: it may quote rows."""

    def __init__(self, name: str, error: asyncpg.PostgresError) -> None:
        self.name = name
        self.sqlstate: str = error.sqlstate or ""
        hint = f" {error.hint}" if error.hint else ""
        super().__init__(f"{name} failed: {error.message or 'no reason given'} ({self.sqlstate}).{hint}")


@dataclass(frozen=True, slots=True)
class Script:
    """A file of SQL."""

    name: str
    sql: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Migration:
    """What the book has one row for: a file of migrations, or all files of routines together."""

    version: int
    name: str
    checksum: str = field(repr=False)  # SHA-256 of the files one after the other, in hex
    scripts: tuple[Script, ...] = field(repr=False)


def load(directory: Traversable = SQL) -> list[Migration]:
    """The migrations of a folder, in order, and the routines as the last.

    Raises ValueError unless the migrations are numbered 1, 2, 3 ... without a gap.
    """
    migrations: list[Migration] = []
    for script in _read(directory / "migrations"):
        match = _FILE_NAME.fullmatch(script.name)
        if match is None or int(match["version"]) != len(migrations) + 1:
            raise ValueError(f"{script.name} is not the name of migration {len(migrations) + 1}")
        migrations.append(_migration(int(match["version"]), match["name"], [script]))
    return [*migrations, _migration(_ROUTINES, "routines", _read(directory / "routines"))]


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
        if outstanding:
            await _apply(connection, outstanding)
    if on_applied is not None:
        for migration in outstanding:
            on_applied(migration)
    return outstanding


async def pending(dsn: str, *, directory: Traversable = SQL) -> list[Migration]:
    """What `migrate` would apply. Changes nothing and takes no lock. Raises as `migrate` does."""
    migrations = load(directory)
    async with _connected(dsn) as connection:
        return await _compare(connection, migrations)


def _read(folder: Traversable) -> list[Script]:
    """In the order of names; as text, so that a checkout with CRLF is the same file."""
    found = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    found.sort(key=lambda file: file.name)
    return [Script(file.name, file.read_text(encoding="utf-8")) for file in found]


def _migration(version: int, name: str, scripts: Sequence[Script]) -> Migration:
    checksum = hashlib.sha256("".join(script.sql for script in scripts).encode()).hexdigest()
    return Migration(version, name, checksum, tuple(scripts))


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


async def _compare(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """What the database lacks, once sure that the migrations it has are ours."""
    try:
        booked = await _read_book(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefused("The book of migrations", error) from error
    *once, routines = migrations
    newest = max(booked, default=0)
    if newest > len(once):
        raise DatabaseNewer(newest, len(once))
    outstanding = []
    for migration in once:
        if migration.version not in booked:
            if migration.version < newest:
                raise MigrationSkipped(migration.name)
            outstanding.append(migration)
        elif booked[migration.version] not in (
            (migration.name, migration.checksum),
            (migration.name, None),  # run by hand
        ):
            raise MigrationEdited(migration.name)
    if outstanding or booked.get(_ROUTINES) != (routines.name, routines.checksum):
        outstanding.append(routines)
    return outstanding


async def _read_book(connection: Connection) -> dict[int, tuple[str, str | None]]:
    if await connection.fetchval("select pg_catalog.to_regclass('postgate.migration') is null"):
        return {}
    if found := await foreign_code(connection, "postgate", "auth_private"):
        raise MigrationUnsafe(found)
    rows = await connection.fetch("select version, name, checksum from postgate.migration")
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


async def _adopt(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Fills in the checksums of migrations that were run by hand; there is nothing else to repair."""
    if await _read_book(connection):
        await connection.executemany(
            f"{_SAVE} and checksum is null",
            [(one.version, one.checksum) for one in migrations if one.version != _ROUTINES],
        )


async def _apply(connection: Connection, outstanding: Sequence[Migration]) -> None:
    async with connection.transaction():
        for migration in outstanding:
            for script in migration.scripts:
                await _run(connection, script)
            await connection.execute(_SAVE, migration.version, migration.checksum)
        # With the commit, so that PostgREST can neither miss it nor come too early
        await connection.execute("notify pgrst, 'reload schema'")


async def _run(connection: Connection, script: Script) -> None:
    """A script starts with our time-outs, whatever the one before it has set."""
    time_outs = (
        f"set local statement_timeout = {STATEMENT_MILLISECONDS};set local lock_timeout = {LOCK_MILLISECONDS}"
    )
    try:
        await connection.execute(time_outs)
        await connection.execute(script.sql)
    except asyncpg.PostgresConnectionError:
        raise
    except asyncpg.PostgresError as error:
        raise MigrationRefused(script.name, error) from error
