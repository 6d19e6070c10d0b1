"""Sends the mails of a database, until it is killed."""

import asyncio
import sys

from app.auth.mail.composing import composer
from app.auth.mail.delivery import MailDelivery
from app.auth.mail.templates import Templates
from app.settings.mail import read_sender
from mail.conftest import KEY, PUBLIC_URL, SENDER, outbox_of, smtp_sender


async def run(dsn: str, port: int) -> None:
    compose = composer(Templates(), sender=read_sender(SENDER), key=KEY, public_url=PUBLIC_URL)
    async with outbox_of(dsn) as outbox:
        sender = smtp_sender(port)
        await MailDelivery(outbox, sender, compose, lambda _: None, lease_seconds=2, poll_seconds=0.05).run()


asyncio.run(run(sys.argv[1], int(sys.argv[2])))
