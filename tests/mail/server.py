"""A real SMTP server in the loop of a test, which responds as the test wants, and what it has accepted."""
# ruff: noqa: ARG002  the methods are hooks of aiosmtpd

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope

Respond = Callable[[str], Awaitable[str]]  # the response to an address


async def accept(_: str) -> str:
    return "250 ok"


@dataclass(frozen=True)
class Received:
    sender: str
    recipient: str
    message: EmailMessage

    def part(self, subtype: str) -> str:
        found = self.message.get_body((subtype,))
        assert found is not None
        return str(found.get_content())


@dataclass
class MailServer:
    """`mail`, `rcpt` and `data` respond; a response that begins with `cut` closes the connection."""

    port: int = 0
    received: list[Received] = field(default_factory=list)
    connections: int = 0
    mail: Respond = accept
    rcpt: Respond = accept
    data: Respond = accept

    @property
    def recipients(self) -> list[str]:
        return [each.recipient for each in self.received]

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return await self._respond(self.mail, server, address)

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return await self._respond(self.rcpt, server, address)

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        response = await self._respond(self.data, server, envelope.rcpt_tos[0])
        if response.startswith("250"):
            content = envelope.original_content or b""
            message = BytesParser(policy=default).parsebytes(content)
            assert isinstance(message, EmailMessage)
            self.received.append(Received(envelope.mail_from or "", envelope.rcpt_tos[0], message))
        return response

    async def _respond(self, respond: Respond, server: Any, address: str) -> str:
        response = await respond(address)
        if response.startswith("cut"):
            server.transport.abort()
            return "421 cut"
        return response


@asynccontextmanager
async def mail_server(server: MailServer | None = None, **options: Any) -> AsyncIterator[MailServer]:
    """Listen on loopback; `options` are aiosmtpd's."""
    running = server or MailServer()
    loop = asyncio.get_running_loop()
    protocols: list[SMTP] = []
    tls: ssl.SSLContext | None = options.pop("tls", None)

    def connected() -> SMTP:
        running.connections += 1
        protocols.append(SMTP(running, loop=loop, hostname="mail.test", enable_SMTPUTF8=True, **options))
        return protocols[-1]

    listener = await loop.create_server(connected, "127.0.0.1", running.port, ssl=tls)
    running.port = listener.sockets[0].getsockname()[1]
    try:
        yield running
    finally:
        listener.close()
        for protocol in protocols:
            if protocol.transport is not None:
                protocol.transport.close()
        await listener.wait_closed()


def authenticator(user: str, password: str) -> Callable[..., AuthResult]:
    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        is_right = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=is_right, handled=False)

    return authenticate
