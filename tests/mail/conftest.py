"""Deliveries against a real SMTP server and a real outbox."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias

import asyncpg
import pytest

from app.auth.functions import reset_session
from app.auth.mail.composing import composer
from app.auth.mail.delivery import MailDelivery
from app.auth.mail.outbox import Outbox
from app.auth.mail.smtp import SmtpSender
from app.auth.mail.templates import Templates
from app.events import Event
from app.settings.mail import SmtpServer, read_sender

from .server import MailServer, mail_server

KEY = bytes(range(32))
SENDER = "Example <noreply@example.com>"
PUBLIC_URL = "https://app.example"
PATIENCE_SECONDS = 30.0
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"  # generic in its stubs alone


async def until(condition: Callable[[], object], what: str) -> None:
    """Poll until `condition()` is true."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + PATIENCE_SECONDS
    while not condition():
        assert loop.time() < deadline, f"waited for: {what}"
        await asyncio.sleep(0.01)


@asynccontextmanager
async def outbox_of(dsn: str) -> AsyncIterator[Outbox]:
    pool = asyncpg.create_pool(dsn, min_size=0, max_size=2, reset=reset_session, statement_cache_size=0)
    async with pool:
        yield Outbox(pool, schema="auth")


def smtp_sender(port: int, **options: Any) -> SmtpSender:
    return SmtpSender(
        SmtpServer("127.0.0.1", port, "none"),
        read_sender(SENDER).addr_spec,
        **{"step_seconds": 10, **options},
    )


class Deliver(Protocol):
    def __call__(
        self, dsn: str, port: int, events: list[Event], **options: Any
    ) -> AbstractAsyncContextManager[MailDelivery]: ...


@pytest.fixture
def deliver() -> Deliver:
    """Run a delivery during a block; it drains at the end."""

    @asynccontextmanager
    async def running(
        dsn: str, port: int, events: list[Event], **options: Any
    ) -> AsyncIterator[MailDelivery]:
        step = options.pop("step_seconds", 10)
        compose = composer(Templates(), sender=read_sender(SENDER), key=KEY, public_url=PUBLIC_URL)
        async with outbox_of(dsn) as outbox:
            delivery = MailDelivery(
                outbox,
                smtp_sender(port, step_seconds=step),
                compose,
                events.append,
                **{"poll_seconds": 0.05, "first_pause": 0.05, **options},
            )
            task = asyncio.create_task(delivery.run())
            try:
                yield delivery
            finally:
                delivery.drain(5)
                await delivery.close()
                await task

    return running


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with mail_server() as running:
        yield running
