"""The outbox for the owner: the mails that are not sent, and why."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from app.operator.owner import as_owner

MOST: Final = 50  # mails in a list
_LIST: Final = """
select o.purpose, o.address, o.created_at, o.attempts, o.next_attempt_at, o.failed_at,
       coalesce(auth_private.legible(o.last_error, 200), '') as last_error
  from auth.outbox as o
 where o.sent_at is null
   and o.address is not null
 order by o.created_at
 limit $1
"""
_COUNT: Final = "select waiting, oldest_seconds, failed from auth.mail_queue()"


@dataclass(frozen=True, slots=True)
class UnsentMail:
    """A mail of the outbox."""

    purpose: str
    address: str = field(repr=False)
    created_at: datetime
    attempts: int
    next_attempt_at: datetime
    failed_at: datetime | None  # when it was given up; None: another attempt follows
    last_error: str


@dataclass(frozen=True, slots=True)
class MailQueue:
    """How many mails wait and were given up, the age of the oldest in seconds, and the oldest 50 of both."""

    waiting: int
    oldest_seconds: float
    failed: int
    mails: tuple[UnsentMail, ...]


async def read_queue(url: str) -> MailQueue:
    """The outbox. Raises OwnerRefused, DatabaseUnreachable."""
    async with as_owner(url, "outbox") as owner:
        count = await owner.fetchrow(_COUNT)
        assert count is not None  # noqa: S101  an aggregate has a row
        mails = tuple(UnsentMail(**row) for row in await owner.fetch(_LIST, MOST))
    return MailQueue(count["waiting"], count["oldest_seconds"], count["failed"], mails)
