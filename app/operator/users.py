"""The owner's dealings with auth.user: a user made, listed, disabled, given another password.

A password is hashed here, as the SQL would do it, so that no plain one is in a statement that the server
might log.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from passlib.hash import bcrypt

from app.database import Connection
from app.operator.owner import OwnerRefused, as_owner, check_text

MAX_PASSWORD_BYTES: Final = 72  # bcrypt ignores the rest

_WHAT: Final = "users"


@dataclass(frozen=True, slots=True)
class User:
    id: UUID
    username: str
    role: str
    created_at: datetime
    disabled_at: datetime | None


def check_password(password: str) -> None:
    """Raises OwnerRefused if bcrypt could not hold the password in full."""
    try:
        size = len(password.encode())
    except UnicodeEncodeError:
        raise OwnerRefused("The password is not UTF-8.") from None
    if size == 0:
        raise OwnerRefused("The password is empty.")
    if size > MAX_PASSWORD_BYTES:
        raise OwnerRefused(f"The password has {size} bytes, and bcrypt takes {MAX_PASSWORD_BYTES} at most.")
    if "\0" in password:
        raise OwnerRefused("The password holds a NUL character.")


async def add_user(url: str, username: str, password: str, role: str) -> None:
    """Raises OwnerRefused, DatabaseUnreachable."""
    check_password(password)
    check_text(username, role)
    async with as_owner(url, _WHAT) as owner:
        await owner.execute("select auth.add_user($1, $2, $3)", username, await _hash(owner, password), role)


async def set_password(url: str, username: str, password: str) -> None:
    """Ends all sessions of the user. Raises OwnerRefused, DatabaseUnreachable."""
    check_password(password)
    check_text(username)
    async with as_owner(url, _WHAT) as owner:
        await owner.execute("select auth.set_password_hash($1, $2)", username, await _hash(owner, password))


async def list_users(url: str) -> list[User]:
    """In the order of their names. Raises OwnerRefused, DatabaseUnreachable."""
    async with as_owner(url, _WHAT) as owner:
        rows = await owner.fetch(
            "select id, username, role, created_at, disabled_at from auth.user"
            ' order by username collate pg_catalog."C"'
        )
    return [User(**row) for row in rows]


async def disable_user(url: str, username: str) -> None:
    """Ends all sessions of the user. Raises OwnerRefused, DatabaseUnreachable."""
    check_text(username)
    async with as_owner(url, _WHAT) as owner:
        await owner.execute("select auth.disable_user($1)", username)


async def enable_user(url: str, username: str) -> None:
    """Raises OwnerRefused, DatabaseUnreachable."""
    check_text(username)
    async with as_owner(url, _WHAT) as owner:
        await owner.execute("select auth.enable_user($1)", username)


async def _hash(owner: Connection, password: str) -> str:
    """As SQL hashes: at the cost set there, and `2a`, as pgcrypto knows no `2b`."""
    cost = await owner.fetchval("select auth_private.bcrypt_cost()")
    hashed: str = bcrypt.using(ident="2a", rounds=cost, truncate_error=True).hash(password)
    return hashed
