"""The owner's connection for a command: a transaction as auth_owner, and a sentence for each refusal.

What the database refuses becomes a sentence without a value.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from app.database import Connection, connected
from app.operator.trust import foreign_objects

NO_SUCH_USER: Final = "There is no such user."

_BY_SQLSTATE: Final = {
    "23505": "There is such a user already.",
    "23503": "There is no such role, or users may not have it: it must not lead to a superuser, to a role "
    "that creates roles, to a pg_* role, or to auth_owner, authenticator or gateway.",
    "23514": "The user name is not acceptable: 1 to 254 characters, none of them invisible, and no blank at "
    "either end.",
    "P0002": NO_SUCH_USER,
}
_NOT_OWNER: Final = "Only the owner of the schema auth may do this: a superuser, or a member of auth_owner."
_NOT_MIGRATED: Final = "The database does not have Postgate's {what}: run `postgate migrate` first."
_MISSING: Final = frozenset(
    {"3F000", "42P01", "42883", "42704", "22023"}
)  # schema, table, function, type, role
_IS_SUPERUSER: Final = "select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = session_user"


class OwnerRefused(Exception):
    """What was asked cannot be done; the text says why."""


@asynccontextmanager
async def as_owner(url: str, what: str) -> AsyncIterator[Connection]:
    """A transaction as auth_owner, whatever else this login may do; `what` names what it is about.

    Raises OwnerRefused, DatabaseUnreachable.
    """
    async with connected(url) as connection:
        try:
            async with connection.transaction():
                if found := await foreign_code(connection, "auth", "auth_private"):
                    raise OwnerRefused(found)
                # The path again, for a pooler that gives the transaction another connection
                await connection.execute(
                    "set local search_path to pg_catalog, pg_temp; set local role auth_owner"
                )
                yield connection
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            raise OwnerRefused(_sentence(error.sqlstate or "", what)) from error


async def foreign_code(connection: Connection, *schemas: str) -> str:
    """What keeps a superuser from calling or reading what is in these schemas, as a sentence; or nothing.

    `set role` is no sandbox: what a superuser calls may `reset role`. Any other login that may do this is a
    member of auth_owner, and risks its own rights alone.
    """
    if not await connection.fetchval(_IS_SUPERUSER):
        return ""
    found = await foreign_objects(connection.fetch, schemas)
    return f"{found[0]} A superuser would run it: use that login, or one that owns it all." if found else ""


def check_text(*texts: str) -> None:
    """Raises OwnerRefused: the driver's own complaint about a stray surrogate would quote the value."""
    if any("\0" in text or text != text.encode(errors="replace").decode() for text in texts):
        raise OwnerRefused("The name of the user or of the role is not UTF-8.")


def _sentence(sqlstate: str, what: str) -> str:
    if sqlstate in _MISSING:
        return _NOT_MIGRATED.format(what=what)
    if sqlstate == asyncpg.InsufficientPrivilegeError.sqlstate:
        return _NOT_OWNER
    return _BY_SQLSTATE.get(sqlstate, f"The database refuses ({sqlstate}).")
