"""The owner's dealings with auth.user: a user made, listed, disabled, given another password.

A password is hashed here, as the SQL would do it, so that no plain one is in a statement that the server
might log. What the database refuses becomes a sentence without a value.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg
from passlib.hash import bcrypt

from app.database import Connection, connected

MAX_PASSWORD_BYTES: Final = 72  # bcrypt ignores the rest

_BY_SQLSTATE: Final = {
    "23505": "There is such a user already.",
    "23503": "There is no such role, or users may not have it: it must not lead to a superuser, to a role "
    "that creates roles, to a pg_* role, or to auth_owner, authenticator or gateway.",
    "23514": "The user name is not acceptable: 1 to 254 characters, none of them invisible, and no blank at "
    "either end.",
    "P0002": "There is no such user.",
}
_NOT_OWNER: Final = "Only the owner of the schema auth may do this: a superuser, or a member of auth_owner."
_NOT_MIGRATED: Final = "The database does not have Postgate's users: run `postgate migrate` first."
_MISSING: Final = frozenset({"3F000", "42P01", "42883", "22023"})  # schema, table, function, role


class UserRefused(Exception):
    """What was asked cannot be done; the text says why."""


@dataclass(frozen=True, slots=True)
class User:
    username: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


def check_password(password: str) -> None:
    """Raises UserRefused if bcrypt could not hold the password in full."""
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        raise UserRefused("The password is not UTF-8.") from None
    if size == 0:
        raise UserRefused("The password is empty.")
    if size > MAX_PASSWORD_BYTES:
        raise UserRefused(f"The password has {size} bytes, and bcrypt takes {MAX_PASSWORD_BYTES} at most.")
    if "\0" in password:
        raise UserRefused("The password holds a NUL character.")


async def add_user(url: str, username: str, password: str, role: str) -> None:
    """Raises UserRefused, DatabaseUnreachable."""
    check_password(password)
    _check_text(username, role)
    async with _owner(url) as owner:
        await owner.execute("select auth.add_user($1, $2, $3)", username, await _hash(owner, password), role)


async def set_password(url: str, username: str, password: str) -> None:
    """Ends all sessions of the user. Raises UserRefused, DatabaseUnreachable."""
    check_password(password)
    _check_text(username)
    async with _owner(url) as owner:
        await owner.execute("select auth.set_password_hash($1, $2)", username, await _hash(owner, password))


async def list_users(url: str) -> list[User]:
    """In the order of their names. Raises UserRefused, DatabaseUnreachable."""
    async with _owner(url) as owner:
        rows = await owner.fetch(
            'select username, role, created_at, disabled_at from auth.user order by username collate "C"'
        )
    return [User(**row) for row in rows]


async def disable_user(url: str, username: str) -> None:
    """Ends all sessions of the user. Raises UserRefused, DatabaseUnreachable."""
    await _set_disabled_at(url, username, "coalesce(disabled_at, now())")


async def enable_user(url: str, username: str) -> None:
    """Raises UserRefused, DatabaseUnreachable."""
    await _set_disabled_at(url, username, "null")


async def _set_disabled_at(url: str, username: str, value: str) -> None:
    _check_text(username)
    async with _owner(url) as owner:
        changed = await owner.execute(
            f"update auth.user set disabled_at = {value}"  # noqa: S608 (one of the two texts above)
            " where username = auth_private.username_form($1)",
            username,
        )
        if changed == "UPDATE 0":
            raise UserRefused(_BY_SQLSTATE["P0002"])


async def _hash(owner: Connection, password: str) -> str:
    """As SQL hashes: at the cost set there, and `2a`, as pgcrypto knows no `2b`."""
    cost = await owner.fetchval("select auth_private.bcrypt_cost()")
    hashed: str = bcrypt.using(ident="2a", rounds=cost, truncate_error=True).hash(password)
    return hashed


def _check_text(*texts: str) -> None:
    # The driver's own complaint about a stray surrogate would quote the value
    if any("\0" in text or text != text.encode(errors="replace").decode() for text in texts):
        raise UserRefused("The name of the user or of the role is not UTF-8.")


@asynccontextmanager
async def _owner(url: str) -> AsyncIterator[Connection]:
    """A transaction as auth_owner, whatever else this login may do."""
    async with connected(url) as connection:
        try:
            async with connection.transaction():
                await connection.execute("set local role auth_owner")
                yield connection
        except asyncpg.PostgresConnectionError:
            raise
        except asyncpg.PostgresError as error:
            raise UserRefused(_sentence(error.sqlstate or "")) from error


def _sentence(sqlstate: str) -> str:
    if sqlstate in _MISSING:
        return _NOT_MIGRATED
    if sqlstate == asyncpg.InsufficientPrivilegeError.sqlstate:
        return _NOT_OWNER
    return _BY_SQLSTATE.get(sqlstate, f"The database refuses ({sqlstate}).")
