"""The reasons why a database could not be migrated. No text has a value, host or password."""

from collections.abc import Sequence

import asyncpg

from app.operator.collisions import sentence


class MigrationError(Exception):
    """A database could not be migrated; the text is the reason, for the operator."""


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
            f"The database is at migration {database}, and this release has {code}: run the release that "
            "migrated it, or a newer one."
        )


class MigrationSkipped(MigrationError):
    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"The database lacks {name}, but has a later migration.")


class MigrationCollides(MigrationError):
    """The database has objects of the project with the names of Postgate's SQL.

    `is_fresh`: none of Postgate's migrations has been applied.
    """

    def __init__(self, found: Sequence[str], *, is_fresh: bool) -> None:
        self.found = tuple(found)
        self.is_fresh = is_fresh
        super().__init__(sentence(found))


class MigrationUnsafe(MigrationError):
    """A superuser would run objects that another login could have defined."""


class MigrationRefused(MigrationError):
    """The server rejected a statement. Its detail is left out, because it may contain rows."""

    def __init__(self, name: str, error: asyncpg.PostgresError) -> None:
        self.name = name
        self.sqlstate: str = error.sqlstate or ""
        hint = f" {error.hint}" if error.hint else ""
        super().__init__(f"{name} failed: {error.message or 'no reason given'} ({self.sqlstate}).{hint}")
