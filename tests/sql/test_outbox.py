"""auth.outbox: mails are leased to one worker at a time, sent at least once, and delayed by address."""

import asyncio

import pytest

from .conftest import Connect
from .visitors import Connection

pytestmark = pytest.mark.anyio

INSERT = "insert into auth.outbox (purpose, address) values ('notice', $1) returning id"
LEASE = "select * from auth.lease_mails($1, 30)"
SENT = "select auth.mail_sent($1, $2)"
FAILED = "select auth.mail_failed($1, $2, $3, is_permanent => $4 = 'permanent')"
CODE = (
    "insert into auth.one_time_code (purpose, address, expires_at)"
    " values ('sign_in', 'a@example.com', clock_timestamp() + interval '10 minutes') returning id"
)
DELAY = "select extract(epoch from next_attempt_at - clock_timestamp()) from auth.outbox where id = $1"
LATER = "update auth.outbox set leased_until = clock_timestamp(), next_attempt_at = clock_timestamp()"


async def test_a_mail_is_leased_once_and_sent(connection: Connection) -> None:
    mail = await connection.fetchval(INSERT, "a@example.com")
    (leased,) = await connection.fetch(LEASE, 10)

    assert (leased["id"], leased["attempts"], leased["message_id"]) == (mail, 1, str(mail))
    assert await connection.fetch(LEASE, 10) == []
    assert await connection.fetchval(SENT, mail, leased["lease"])
    await connection.execute(LATER)
    assert await connection.fetch(LEASE, 10) == []


async def test_a_mail_whose_worker_died_is_leased_again_and_the_old_lease_is_void(
    connection: Connection,
) -> None:
    mail = await connection.fetchval(INSERT, "a@example.com")
    (first,) = await connection.fetch(LEASE, 10)
    await connection.execute(LATER)
    (second,) = await connection.fetch(LEASE, 10)

    assert (second["id"], second["message_id"]) == (mail, first["message_id"])
    assert not await connection.fetchval(SENT, mail, first["lease"])
    assert not await connection.fetchval(FAILED, mail, first["lease"], "x", "permanent")
    assert await connection.fetchval(SENT, mail, second["lease"])


async def test_two_workers_take_different_mails(connect: Connect) -> None:
    one, other = await connect(), await connect()
    for number in range(4):
        await one.execute(
            "insert into auth.outbox (purpose, address) values ('notice', $1)", f"a{number}@b.c"
        )
    async with one.transaction(), other.transaction():
        first = await one.fetch(LEASE, 2)
        second = await asyncio.wait_for(other.fetch(LEASE, 10), 10)

    assert len(first) == len(second) == 2
    assert not {row["id"] for row in first} & {row["id"] for row in second}


@pytest.mark.parametrize(("attempts", "seconds"), [(1, 5), (2, 10), (5, 80), (12, 1800), (60, 1800)])
async def test_a_failure_delays_the_mails_to_that_address_and_no_others(
    connection: Connection, attempts: int, seconds: int
) -> None:
    same = await connection.fetchval(INSERT, "A@EXAMPLE.com")
    other = await connection.fetchval(INSERT, "b@example.com")
    mail = await connection.fetchval(INSERT, "a@example.com")
    await connection.execute("update auth.outbox set attempts = $1", attempts - 1)
    leases = {row["id"]: row["lease"] for row in await connection.fetch(LEASE, 10)}
    assert await connection.fetchval(FAILED, mail, leases[mail], "451 later\r\n", "for now")

    for one in (mail, same):
        assert seconds - 2 < await connection.fetchval(DELAY, one) <= seconds
    assert await connection.fetchval(DELAY, other) <= 0
    assert await connection.fetchval("select last_error from auth.outbox where id = $1", mail) == "451 later"


GIVEN_UP = {
    "permanently refused": ("permanent", "select 1"),
    "a day old": ("for now", "update auth.outbox set created_at = created_at - interval '24 hours'"),
    "its code expires first": (
        "for now",
        "update auth.one_time_code set expires_at = clock_timestamp() + interval '4 seconds'",
    ),
}


@pytest.mark.parametrize("case", GIVEN_UP)
async def test_a_mail_is_given_up(connection: Connection, case: str) -> None:
    kind, change = GIVEN_UP[case]
    code = await connection.fetchval(CODE)
    mail = await connection.fetchval(INSERT, "a@example.com")
    await connection.execute("update auth.outbox set code_id = $1", code)
    await connection.execute(change)
    (leased,) = await connection.fetch(LEASE, 10)
    assert await connection.fetchval(FAILED, mail, leased["lease"], "550 no", kind)

    (queue,) = await connection.fetch("select * from auth.mail_queue()")
    assert (queue["waiting"], queue["failed"], queue["oldest_seconds"]) == (0, 1, 0)
    await connection.execute(LATER)
    assert await connection.fetch(LEASE, 10) == []


@pytest.mark.parametrize(
    "change",
    [
        "update auth.one_time_code set used_at = clock_timestamp()",
        "update auth.one_time_code set voided_at = clock_timestamp()",
        "update auth.one_time_code set created_at = now() - interval '1 h', expires_at = clock_timestamp()",
        "update auth.outbox set address = null",
    ],
)
async def test_a_mail_that_is_of_no_use_is_dropped_unsent(connection: Connection, change: str) -> None:
    code = await connection.fetchval(CODE)
    await connection.fetchval(INSERT, "a@example.com")
    await connection.execute("update auth.outbox set code_id = $1", code)
    await connection.execute(change)

    assert await connection.fetch(LEASE, 10) == []
    assert await connection.fetchval("select count(*) from auth.outbox") == 0


async def test_a_mail_of_a_code_that_is_void_in_a_minute_is_sent(connection: Connection) -> None:
    code = await connection.fetchval(CODE)
    await connection.fetchval(INSERT, "a@example.com")
    await connection.execute("update auth.outbox set code_id = $1", code)
    await connection.execute("update auth.one_time_code set voided_at = now() + interval '1 minute'")

    (leased,) = await connection.fetch(LEASE, 10)
    assert leased["code_id"] == code
    assert leased["request"] == await connection.fetchval("select request from auth.one_time_code")


async def test_a_commit_wakes_the_workers(connect: Connect) -> None:
    listener, writer = await connect(), await connect()
    heard = asyncio.Event()
    await listener.add_listener("postgate_outbox", lambda *_: heard.set())
    await writer.execute("insert into auth.outbox (purpose, address) values ('notice', 'a@example.com')")

    await asyncio.wait_for(heard.wait(), 10)


async def test_sent_mails_are_deleted_after_a_week(connection: Connection) -> None:
    old = await connection.fetchval(INSERT, "a@example.com")
    await connection.execute(
        "update auth.outbox set sent_at = now(), created_at = now() - interval '8 days' where id = $1", old
    )
    await connection.fetchval(INSERT, "a@example.com")
    (leased,) = await connection.fetch(LEASE, 1)
    await connection.fetchval(SENT, leased["id"], leased["lease"])

    assert await connection.fetchval("select array_agg(id) from auth.outbox") == [leased["id"]]
