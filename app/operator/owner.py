"""A transaction as auth_owner for a command, and a sentence for each error of the database.

The sentences contain no value.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from app.database import Connection, connected
from app.operator.trust import foreign_objects

NO_SUCH_USER: Final = "There is no such user."

_BY_SQLSTATE: Final = {
    "23505": "A user with this name exists already.",
    "23503": (
        "The role does not exist, or users may not have it: it must not be or become a superuser, a role "
        "that creates roles, a pg_* role, auth_owner, authenticator or gateway."
    ),
    "23514": (
        "The user name is invalid: it has 1 to 254 characters, none of them invisible, and no blank at "
        "either end."
    ),
    "P0002": NO_SUCH_USER,
}
_NOT_OWNER: Final = "Only a superuser or a member of auth_owner may do this."
_NOT_MIGRATED: Final = "The database does not have Postgate's {what}: run `postgate migrate` first."
_MISSING: Final = frozenset(
    {"3F000", "42P01", "42883", "42704", "22023"}
)  # schema, table, function, type, role
_IS_SUPERUSER: Final = "select r.rolsuper from pg_catalog.pg_roles as r where r.rolname = session_user"


class OwnerRefused(Exception):
    """The command is not possible; the text is the reason."""


@asynccontextmanager
async def as_owner(url: str, what: str) -> AsyncIterator[Connection]:
    """A transaction as auth_owner. `what` names the objects in the error for a missing schema.

    Raises OwnerRefused, DatabaseUnreachable.
    """
    async with connected(url) as connection:
        try:
            async with connection.transaction():
                if found := await foreign_code(connection, "auth", "auth_private"):
                    raise OwnerRefused(found)
                # The search_path again: behind a pooler, the transaction may run on another connection
                await connection.execute(
                    "set local search_path to pg_catalog, pg_temp; set local role auth_owner"
                )
                yield connection
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            raise OwnerRefused(_sentence(error.sqlstate or "", what)) from error


async def foreign_code(connection: Connection, *schemas: str) -> str:
    """Why a superuser must not use the objects of these schemas, as a sentence; else empty.

    `set role` is no sandbox: a function that a superuser calls may `reset role`. Other logins are members of
    auth_owner, and risk only their own rights.
    """
    if not await connection.fetchval(_IS_SUPERUSER):
        return ""
    found = await foreign_objects(connection.fetch, schemas)
    return (
        f"{found[0]} A superuser would run it: use that login, or the owner of all these objects."
        if found
        else ""
    )


def check_text(*texts: str) -> None:
    """Raises OwnerRefused for text that is not UTF-8: the driver's error would contain the value."""
    if any("\0" in text or text != text.encode(errors="replace").decode() for text in texts):
        raise OwnerRefused("The name of the user or the role is not UTF-8.")


def _sentence(sqlstate: str, what: str) -> str:
    if sqlstate in _MISSING:
        return _NOT_MIGRATED.format(what=what)
    if sqlstate == asyncpg.InsufficientPrivilegeError.sqlstate:
        return _NOT_OWNER
    return _BY_SQLSTATE.get(sqlstate, f"The database rejects this ({sqlstate}).")
