"""The outbox's worker: each mail is sent at least once, and no mail delays another."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from app.auth.listener import RevocationListener
from app.auth.mail import delivery as delivery_module
from app.auth.mail.delivery import CHANNEL
from app.core.one_time_codes import link_code, show_typed_code, typed_code
from app.core.session.revocations import Revocations
from app.devstack import Database
from app.events import Event, MailDeliveryResumed, MailDeliveryStopped, MailFailed, MailSent

from .conftest import KEY, Deliver, until
from .outboxes import DUE, all_sent, enqueue, states
from .server import MailServer, mail_server

pytestmark = pytest.mark.anyio

MANY = [f"user{number}@example.org" for number in range(20)]


def of_kind(events: list[Event], kind: type[Event]) -> list[Event]:
    return [event for event in events if isinstance(event, kind)]


async def test_a_mail_has_the_code_that_the_database_does_not_have(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    events: list[Event] = []
    enqueue(database, "alice@example.org")
    async with deliver(database.gateway_dsn, server.port, events):
        await until(lambda: all_sent(database), "the mail to be sent")
    (mail,) = server.received
    ((mail_id, code_id, request),) = database.fetch(
        "select o.id, c.id, c.request from auth.outbox as o join auth.one_time_code as c on c.id = o.code_id"
    )
    code_id = UUID(str(code_id))
    link = f"https://app.example/auth/sign-in?request={request}&code={link_code(KEY, code_id)}"
    code = show_typed_code(typed_code(KEY, code_id))
    assert (mail.sender, mail.recipient) == ("noreply@example.com", "alice@example.org")
    assert mail.message["Message-ID"] == f"<{mail_id}@example.com>"
    assert link in mail.part("plain")
    assert code in mail.part("plain")
    assert code in mail.part("html")
    assert [event.mail for event in events if isinstance(event, MailSent)] == [str(mail_id)]
    stored = str(database.fetch("select o::text, c::text from auth.outbox as o, auth.one_time_code as c"))
    assert link_code(KEY, code_id) not in stored
    assert typed_code(KEY, code_id) not in stored


async def test_a_notification_wakes_the_worker(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    async def connect() -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(database.gateway_dsn)

    async with deliver(database.gateway_dsn, server.port, [], poll_seconds=3600) as delivery:
        wakes = {CHANNEL: delivery.wake}
        connected: list[Event] = []
        listener = RevocationListener(connect, Revocations(), connected.append, schema="auth", wakes=wakes)
        listening = asyncio.create_task(listener.run())
        await until(lambda: connected, "the listener")
        enqueue(database, "alice@example.org")
        await until(lambda: server.received, "the mail")
        listening.cancel()


async def test_an_outage_loses_nothing_and_delays_no_address(database: Database, deliver: Deliver) -> None:
    events: list[Event] = []
    server = MailServer()
    async with mail_server(server):
        pass  # a port where nothing listens now
    enqueue(database, "first@example.org")
    async with deliver(database.gateway_dsn, server.port, events):
        await until(lambda: of_kind(events, MailDeliveryStopped), "the outage")
        enqueue(database, *MANY)
        async with mail_server(server):
            await until(lambda: set(server.recipients) >= set(MANY), "the mails after the outage")
            assert database.fetch("select from auth.outbox where attempts > 1") == []
            database.execute(DUE)
            await until(lambda: all_sent(database), "the first mail")
    assert Counter(server.recipients) == Counter(["first@example.org", *MANY])
    assert len(of_kind(events, MailDeliveryStopped)) == len(of_kind(events, MailDeliveryResumed)) == 1


@pytest.mark.parametrize(
    ("response", "state", "reason"),
    [
        ("450 4.2.1 try later", "waiting", "the SMTP server rejects the recipient (450 4.2.1)"),
        ("550 5.1.1 no <bad@example.org> https://app.example/x?code=1", "failed",
         "the SMTP server rejects the recipient (550 5.1.1)"),
        ("cut", "waiting", "the SMTP server ended the connection"),
    ],
)  # fmt: skip
async def test_a_rejected_address_delays_no_other(  # noqa: PLR0917
    database: Database, deliver: Deliver, server: MailServer, response: str, state: str, reason: str
) -> None:
    async def rcpt(address: str) -> str:
        return response if address.startswith("bad") else "250 ok"

    server.rcpt = rcpt
    events: list[Event] = []
    enqueue(database, "bad@example.org", *MANY)
    async with deliver(database.gateway_dsn, server.port, events):
        await until(lambda: set(server.recipients) == set(MANY), "the other mails")
        await until(lambda: states(database)["bad@example.org"][1], "the error in the outbox")
    assert states(database)["bad@example.org"] == (state, reason)
    (failed,) = of_kind(events, MailFailed)
    assert isinstance(failed, MailFailed)
    assert (failed.reason, failed.is_permanent) == (reason, state == "failed")
    assert of_kind(events, MailDeliveryStopped) == []


@pytest.mark.parametrize("response", ["451 4.3.0 try later", "cut"])
async def test_a_message_that_the_server_did_not_take_is_sent_again_with_the_same_id(
    database: Database, deliver: Deliver, server: MailServer, response: str
) -> None:
    responses = [response]

    async def data(_: str) -> str:
        return responses.pop() if responses else "250 ok"

    server.data = data
    events: list[Event] = []
    enqueue(database, "alice@example.org")
    async with deliver(database.gateway_dsn, server.port, events):
        await until(lambda: states(database)["alice@example.org"][1], "the failed attempt")
        database.execute(DUE)
        await until(lambda: all_sent(database), "the second attempt")
    (mail,) = server.received
    ((mail_id, attempts),) = database.fetch("select id, attempts from auth.outbox")
    assert (mail.message["Message-ID"], attempts) == (f"<{mail_id}@example.com>", 2)


async def test_a_slow_address_delays_no_other(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    released = asyncio.Event()

    async def rcpt(address: str) -> str:
        if address.startswith("slow"):
            await released.wait()
        return "250 ok"

    server.rcpt = rcpt
    enqueue(database, "slow@example.org", *MANY)
    async with deliver(database.gateway_dsn, server.port, []):
        await until(lambda: set(server.recipients) == set(MANY), "the other mails")
        released.set()
        await until(lambda: all_sent(database), "the slow one")


async def test_a_server_that_does_not_respond_is_given_up(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    async def rcpt(_: str) -> str:
        await asyncio.sleep(3600)
        return "250 ok"

    server.rcpt = rcpt
    enqueue(database, "alice@example.org")
    async with deliver(database.gateway_dsn, server.port, [], step_seconds=0.2):
        await until(lambda: states(database)["alice@example.org"][1], "the error")
    assert states(database)["alice@example.org"] == ("waiting", "the SMTP server does not respond in time")


async def test_two_gateways_send_each_mail_once(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    first: list[Event] = []
    second: list[Event] = []
    dsn = database.gateway_dsn
    async with deliver(dsn, server.port, first), deliver(dsn, server.port, second):
        enqueue(database, *MANY)
        enqueue(database, *[f"also-{address}" for address in MANY])
        await until(lambda: all_sent(database), "all mails")
    assert set(Counter(server.recipients).values()) == {1}
    assert len(server.received) == 2 * len(MANY)
    assert len(of_kind(first, MailSent)) + len(of_kind(second, MailSent)) == 2 * len(MANY)


async def test_a_killed_process_causes_one_duplicate_at_most(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    program = str(Path(__file__).with_name("killed_program.py"))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        program,
        database.gateway_dsn,
        str(server.port),
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    accepted = 0

    async def data(_: str) -> str:
        nonlocal accepted
        accepted += 1
        if accepted == 5:
            process.send_signal(signal.SIGKILL)  # the response comes too late
        return "250 ok"

    server.data = data
    enqueue(database, *MANY)
    assert await process.wait() == -signal.SIGKILL
    assert len(server.received) == 5
    async with deliver(database.gateway_dsn, server.port, []):
        await until(lambda: all_sent(database), "the mails of the killed process, when their leases end")
    counts = Counter(server.recipients)
    assert set(counts) == set(MANY)
    assert sorted(counts.values()) == [1] * (len(MANY) - 1) + [2]
    ids = {each.message["Message-ID"] for each in server.received}
    assert len(ids) == len(MANY)


async def test_a_drain_completes_the_mails_in_flight_and_begins_no_other(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    arrived, released = asyncio.Event(), asyncio.Event()

    async def data(_: str) -> str:
        arrived.set()
        await released.wait()
        return "250 ok"

    server.data = data
    enqueue(database, "alice@example.org")
    async with deliver(database.gateway_dsn, server.port, []) as delivery:
        await arrived.wait()
        delivery.drain(20)
        enqueue(database, "later@example.org")
        delivery.wake()
        closing = asyncio.create_task(delivery.close())
        released.set()
        await closing
    assert server.recipients == ["alice@example.org"]
    assert {address: state for address, (state, _) in states(database).items()} == {
        "alice@example.org": "sent",
        "later@example.org": "waiting",
    }


async def test_an_aborted_mail_is_sent_when_its_lease_ends(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    arrived = asyncio.Event()

    async def rcpt(_: str) -> str:
        arrived.set()
        await asyncio.sleep(3600)
        return "250 ok"

    server.rcpt = rcpt
    enqueue(database, "alice@example.org")
    async with deliver(database.gateway_dsn, server.port, [], lease_seconds=1) as delivery:
        await arrived.wait()
        delivery.abort()
    async with mail_server() as other, deliver(database.gateway_dsn, other.port, []):
        await until(lambda: other.received, "the mail")


async def test_a_database_that_fails_after_a_mail_is_asked_until_it_knows(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    async def data(_: str) -> str:
        database.execute("alter function auth.mail_sent(uuid, uuid) rename to hidden")
        return "250 ok"

    server.data = data
    enqueue(database, "alice@example.org")
    async with deliver(database.gateway_dsn, server.port, []):
        await until(lambda: server.received, "the mail")
        database.execute("alter function auth.hidden(uuid, uuid) rename to mail_sent")
        await until(lambda: all_sent(database), "the report")
    assert len(server.received) == 1


async def test_a_database_without_an_outbox_is_reported_once(
    database: Database, deliver: Deliver, server: MailServer
) -> None:
    database.execute("alter function auth.lease_mails(integer, integer) rename to hidden")
    events: list[Event] = []
    async with deliver(database.gateway_dsn, server.port, events) as delivery:
        await until(lambda: delivery.is_stopped, "the report")
        enqueue(database, "alice@example.org")
        database.execute("alter function auth.hidden(integer, integer) rename to lease_mails")
        await until(lambda: all_sent(database), "the mail")
    stopped = [event for event in events if isinstance(event, MailDeliveryStopped)]
    assert [event.reason for event in stopped] == [
        "the database has no outbox for this login: run `postgate migrate`"
    ]


async def test_the_queue_is_known_for_the_metrics(database: Database, deliver: Deliver) -> None:
    enqueue(database, *MANY)
    async with deliver(database.gateway_dsn, 1, []) as delivery:
        await until(lambda: delivery.is_stopped, "the outage")
        database.execute("update auth.outbox set failed_at = now() where address = 'user7@example.org'")
    async with mail_server() as server, deliver(database.gateway_dsn, server.port, []) as delivery:
        await until(lambda: delivery.queue.failed == 1, "the queue")
        assert delivery.queue.oldest_seconds >= 0


def test_a_lease_is_longer_than_all_steps_of_a_delivery() -> None:
    from app.auth.mail import smtp  # noqa: PLC0415

    steps = smtp.CONNECT_SECONDS + 2 * smtp.STEP_SECONDS
    assert steps + delivery_module._FINISHING_SECONDS <= delivery_module.LEASE_SECONDS
    assert smtp.STEP_SECONDS < delivery_module._FINISHING_SECONDS
