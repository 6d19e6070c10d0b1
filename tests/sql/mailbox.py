"""What a person with a mailbox sees: the mails of the outbox, with the codes that the gateway derives."""

from dataclasses import dataclass
from typing import Any, Self

from .visitors import SETTINGS, Connection, Visitor

KEY = bytes(range(32))
WITH_KEY = {**SETTINGS, "app.settings.code_keys": KEY.hex()}
OPEN = "update auth.registration set mode = 'open', role = 'basic_subscriber'"
PASSWORD = "a horse that is correct"
LAST = """
select o.*, c.request, auth_private.link_code($2, c.id) as link, auth_private.typed_code($2, c.id) as typed
  from auth.outbox as o
  left join auth.one_time_code as c on c.id = o.code_id
 where o.address is not distinct from $1
 order by o.created_at desc
"""


@dataclass(frozen=True, slots=True)
class Mail:
    purpose: str
    event: str | None
    request: str | None
    link: str | None
    typed: str | None
    language: str | None

    @classmethod
    def of(cls, row: Any) -> Self:
        event = row["data"].partition('"event": "')[2].partition('"')[0]
        request = row["request"] and str(row["request"])
        return cls(row["purpose"], event or None, request, row["link"], row["typed"], row["language"])


async def mails(connection: Connection, address: str | None) -> list[Mail]:
    """The latest first."""
    return [Mail.of(row) for row in await connection.fetch(LAST, address, KEY)]


async def mail(connection: Connection, address: str) -> Mail:
    return (await mails(connection, address))[0]


def client(connection: Connection) -> Visitor:
    return Visitor(connection, settings=WITH_KEY)


async def add_member(connection: Connection, address: str = "ann@example.com") -> str:
    """A user with a verified address and the password demo, named as its first part."""
    name = address.partition("@")[0]
    await connection.execute(
        "insert into auth.user (username, email, email_verified_at, password, role)"
        " values ($1, $2, now(), 'demo', 'basic_subscriber')",
        name,
        address,
    )
    return name


def request_of(answer: Any) -> str:
    return str(answer.value.partition('"request" : "')[2].partition('"')[0])
