"""How the owner lists and ends sessions.

The database notifies all gateways of a session that ends here.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from app.database import Connection
from app.operator.owner import NO_SUCH_USER, OwnerRefused, as_owner, check_text

_WHAT: Final = "sessions"
_REASON: Final = "ended_by_owner"
_LIST: Final = """
select s.id, u.username, coalesce(auth_private.legible(s.subject, 64), '-') as subject,
       s.created_at, s.last_seen_at, s.address, s.user_agent
  from auth.session as s
  left join auth.user as u on u.id = s.user_id
 where auth_private.session_is_live(s)
   and ($1::pg_catalog.text is null or u.username = auth_private.username_form($1))
 order by u.username collate pg_catalog."C", s.subject collate pg_catalog."C", s.last_seen_at desc, s.id
"""
_IS_USER: Final = """
select exists (select from auth.user as u where u.username = auth_private.username_form($1))
"""


@dataclass(frozen=True, slots=True)
class Session:
    """One login on one device."""

    id: UUID
    username: str | None  # None: a session without a user
    subject: str  # the id of the user, or a foreign one, without invisible characters
    created_at: datetime
    last_seen_at: datetime
    address: str | None
    user_agent: str | None


async def list_sessions(url: str, username: str | None) -> list[Session]:
    """Those that are live, of one user or all. Raises OwnerRefused, DatabaseUnreachable."""
    async with as_owner(url, _WHAT) as owner:
        if username is not None:
            await _check_user(owner, username)
        return [Session(**row) for row in await owner.fetch(_LIST, username)]


async def end_session(url: str, session: str) -> None:
    """`session` is its id, or the `sid` of its access tokens. Raises OwnerRefused, DatabaseUnreachable."""
    try:
        wanted = UUID(session)
    except ValueError:
        raise OwnerRefused("That is not the id of a session: `postgate session list` shows them.") from None
    async with as_owner(url, _WHAT) as owner:
        if not await owner.fetchval("select auth_private.end_session($1, $2)", wanted, _REASON):
            raise OwnerRefused("There is no such session, or it is over.")


async def end_sessions_of(url: str, username: str) -> int:
    """End all sessions of a user, and say how many there were. Raises OwnerRefused, DatabaseUnreachable."""
    async with as_owner(url, _WHAT) as owner:
        await _check_user(owner, username)
        ended: int = await owner.fetchval("select auth_private.end_sessions_of($1, $2)", username, _REASON)
    return ended


async def _check_user(owner: Connection, username: str) -> None:
    check_text(username)
    if not await owner.fetchval(_IS_USER, username):
        raise OwnerRefused(NO_SUCH_USER)
