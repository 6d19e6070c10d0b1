"""Applies the pending parts of app/sql to a database, in one transaction; concurrent runs are safe.

Migrations (tables, types, roles) run once, in order. Routines (functions, triggers, views) have one
definition each. All of them are applied again if one of their files has changed or a migration is pending, so
a migration may drop a routine that changes its arguments. Either everything pending is applied, or nothing.

Each file records itself in postgate.migration, so psql may run them too; this module adds the lock, the
timeouts and the checksums. Its errors contain no value, host or password.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

import asyncpg

from app.database import Connection, connected
from app.operator.anonymous import OUR_ANON, grant_anonymous, why_not_anonymous
from app.operator.collisions import find_collisions
from app.operator.migration_errors import (
    DatabaseNewer,
    MigrationBusy,
    MigrationCollides,
    MigrationEdited,
    MigrationError,
    MigrationRefused,
    MigrationSkipped,
    MigrationUnsafe,
)
from app.operator.owner import foreign_code

__all__ = [
    "SQL",
    "WAIT_SECONDS",
    "DatabaseNewer",
    "Migration",
    "MigrationBusy",
    "MigrationCollides",
    "MigrationEdited",
    "MigrationError",
    "MigrationRefused",
    "MigrationSkipped",
    "MigrationUnsafe",
    "Script",
    "apply",
    "check_surroundings",
    "compare",
    "load",
    "locked",
    "migrate",
    "pending",
]

SQL: Final[Traversable] = files("app") / "sql"

WAIT_SECONDS: Final = 60  # for a concurrent run
LOCK_MILLISECONDS: Final = 4_000  # while a migration waits for a table lock, later statements queue behind it
STATEMENT_MILLISECONDS: Final = 30_000

# An advisory lock of this database; no other program uses this number
_ADVISORY_LOCK: Final = int.from_bytes(b"postgate", "big")
_FILE_NAME: Final = re.compile(r"(?P<name>(?P<version>[0-9]{4})_[a-z0-9_]+)\.sql")
_ROUTINES: Final = 0  # the version that stands for the routines
_SAVE: Final = "update postgate.migration set checksum = $2 where version = $1"


@dataclass(frozen=True, slots=True)
class Script:
    """A file of SQL."""

    name: str
    sql: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Migration:
    """A row of postgate.migration: one file of migrations, or all files of routines together."""

    version: int
    name: str
    checksum: str = field(repr=False)  # SHA-256 of the concatenated files, in hex
    scripts: tuple[Script, ...] = field(repr=False)


def load(directory: Traversable = SQL) -> list[Migration]:
    """The migrations of a folder in order, and the routines as the last element.

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
    anon_role: str = OUR_ANON,
) -> list[Migration]:
    """Brings the database up to date and returns what was applied.

    `anon_role` gets the rights of `anon`. Looks first for names that collide, and for a role that does not
    fit. Raises MigrationError, DatabaseUnreachable.
    """
    migrations = load(directory)
    async with locked(dsn, wait_seconds) as connection:
        outstanding = await compare(connection, migrations)
        await check_surroundings(connection, outstanding, anon_role)
        await _adopt(connection, migrations)
        await apply(connection, outstanding, anon_role)
    if on_applied is not None:
        for migration in outstanding:
            on_applied(migration)
    return outstanding


async def pending(dsn: str, *, directory: Traversable = SQL) -> list[Migration]:
    """The pending migrations. Changes nothing and takes no lock. Raises as `migrate` does."""
    migrations = load(directory)
    async with _connected(dsn) as connection:
        outstanding = await compare(connection, migrations)
        await check_surroundings(connection, outstanding, OUR_ANON)
        return outstanding


async def check_surroundings(
    connection: Connection, outstanding: Sequence[Migration], anon_role: str, *, may_collide: bool = False
) -> None:
    """Refuse before anything is changed. Raises MigrationCollides, MigrationError."""
    is_fresh = any(migration.version == 1 for migration in outstanding)
    texts = [script.sql for migration in outstanding for script in migration.scripts]
    found = await find_collisions(connection, texts, is_fresh=is_fresh)
    if found and not (may_collide and not any(name.startswith("schema ") for name in found)):
        raise MigrationCollides(found, is_fresh=is_fresh)
    if why := await why_not_anonymous(connection, anon_role):
        raise MigrationError(why)


def _read(folder: Traversable) -> list[Script]:
    """The scripts in the order of their names. Read as text, so that line ends do not change the checksum."""
    found = [file for file in folder.iterdir() if file.name.endswith(".sql")]
    found.sort(key=lambda file: file.name)
    return [Script(file.name, file.read_text(encoding="utf-8")) for file in found]


def _migration(version: int, name: str, scripts: Sequence[Script]) -> Migration:
    checksum = hashlib.sha256("".join(script.sql for script in scripts).encode()).hexdigest()
    return Migration(version, name, checksum, tuple(scripts))


def _connected(dsn: str) -> AbstractAsyncContextManager[Connection]:
    """A connection without a client timeout: the server's timeouts differ for each statement."""
    return connected(dsn, name="postgate migrate", command_seconds=None)


@asynccontextmanager
async def locked(dsn: str, wait_seconds: float = WAIT_SECONDS) -> AsyncIterator[Connection]:
    """A connection that holds the lock of migrations. Raises MigrationBusy, DatabaseUnreachable."""
    async with _connected(dsn) as connection:
        await _lock(connection, wait_seconds)
        yield connection


async def _lock(connection: Connection, wait_seconds: float) -> None:
    """Take the lock of the session. It is released when the connection closes."""
    await connection.execute(f"set statement_timeout = 0; set lock_timeout = {round(wait_seconds * 1000)}")
    try:
        await connection.execute("select pg_catalog.pg_advisory_lock($1)", _ADVISORY_LOCK)
    except asyncpg.LockNotAvailableError as error:
        raise MigrationBusy from error


async def compare(connection: Connection, migrations: Sequence[Migration]) -> list[Migration]:
    """The pending migrations, after checking that the applied ones are unchanged."""
    try:
        booked = await _read_applied(connection)
    except asyncpg.InsufficientPrivilegeError as error:
        raise MigrationRefused("The list of migrations", error) from error
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
            (migration.name, None),  # run by psql
        ):
            raise MigrationEdited(migration.name)
    if outstanding or booked.get(_ROUTINES) != (routines.name, routines.checksum):
        outstanding.append(routines)
    return outstanding


async def _read_applied(connection: Connection) -> dict[int, tuple[str, str | None]]:
    if await connection.fetchval("select pg_catalog.to_regclass('postgate.migration') is null"):
        return {}
    if found := await foreign_code(connection, "postgate", "auth_private"):
        raise MigrationUnsafe(found)
    rows = await connection.fetch("select version, name, checksum from postgate.migration")
    return {row["version"]: (row["name"], row["checksum"]) for row in rows}


async def _adopt(connection: Connection, migrations: Sequence[Migration]) -> None:
    """Adds the checksums of migrations that were run by psql."""
    if await _read_applied(connection):
        await connection.executemany(
            f"{_SAVE} and checksum is null",
            [(one.version, one.checksum) for one in migrations if one.version != _ROUTINES],
        )


async def apply(connection: Connection, outstanding: Sequence[Migration], anon_role: str) -> None:
    """Apply what is pending, and give the anonymous role its rights, in one transaction."""
    async with connection.transaction():
        for migration in outstanding:
            for script in migration.scripts:
                await _run(connection, script)
            await connection.execute(_SAVE, migration.version, migration.checksum)
        try:
            has_granted = await grant_anonymous(connection, anon_role)
        except asyncpg.PostgresError as error:
            raise MigrationRefused(f"The grant to the role {anon_role}", error) from error
        if not outstanding and not has_granted:
            return
        # Sent at the commit, so that PostgREST reloads neither too early nor never
        await connection.execute("notify pgrst, 'reload schema'")


async def _run(connection: Connection, script: Script) -> None:
    """Resets the timeouts, which an earlier script may have changed."""
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
