"""Send mails through an SMTP server: connections are opened when needed, reused, and bounded in time."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import aiosmtplib

from app.auth.mail.addresses import in_ascii
from app.auth.mail.failures import DeliveryFailed
from app.auth.mail.responses import translated
from app.settings.mail import SmtpServer

CONNECT_SECONDS: Final = 10.0  # to connect, with TLS and authentication
STEP_SECONDS: Final = 30.0  # for the envelope, and for the message
_QUIT_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 5.0  # servers end idle connections; an older one is not reused


class _Line:
    """One connection to the server."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self.client = client
        self.idle_since = 0.0

    def discard(self) -> None:
        self.client.close()


class Transaction:
    """A mail whose sender and recipient the server has accepted."""

    def __init__(self, client: aiosmtplib.SMTP, seconds: float) -> None:
        self._client = client
        self._seconds = seconds

    async def send(self, message: bytes) -> None:
        """Send the message. When it returns, the server is responsible for it. Raises DeliveryFailed."""
        with translated("message"):
            async with asyncio.timeout(self._seconds):
                await self._client.data(message)


class SmtpSender:
    """Sends mails of one sender through one server."""

    def __init__(
        self,
        server: SmtpServer,
        sender: str,
        *,
        tls: ssl.SSLContext | None = None,
        connect_seconds: float = CONNECT_SECONDS,
        step_seconds: float = STEP_SECONDS,
    ) -> None:
        self._server = server
        self._sender = sender
        self._tls = tls
        self._connect_seconds = connect_seconds
        self._step_seconds = step_seconds
        self._idle: list[_Line] = []

    async def check(self) -> None:
        """Raise DeliveryFailed unless the server takes mails of this sender. Sends none."""
        line = await self._connect()
        try:
            with translated("sender", is_outage=True):
                async with asyncio.timeout(self._step_seconds):
                    await line.client.mail(self._sender)
        except BaseException:
            line.discard()
            raise
        await self._release(line)

    @asynccontextmanager
    async def addressed(self, address: str) -> AsyncIterator[Transaction]:
        """A connection on which the server has accepted sender and recipient. Raises DeliveryFailed."""
        recipient = in_ascii(address)
        line = await self._begin(is_utf8=not recipient.isascii())
        try:
            with translated("recipient"):
                async with asyncio.timeout(self._step_seconds):
                    await line.client.rcpt(recipient, encoding="utf-8")
            yield Transaction(line.client, self._step_seconds)
        except DeliveryFailed as failed:
            if failed.is_connection_usable:
                await self._release(line)
            else:
                line.discard()
            raise
        except BaseException:
            line.discard()
            raise
        await self._release(line)

    async def close_idle(self, *, older_than: float = _IDLE_SECONDS) -> None:
        """Close connections that have been idle for longer."""
        before = asyncio.get_running_loop().time() - older_than
        old = [line for line in self._idle if line.idle_since <= before]
        self._idle = [line for line in self._idle if line.idle_since > before]
        for line in old:
            await _quit(line)

    async def close(self) -> None:
        await self.close_idle(older_than=0)

    async def _begin(self, *, is_utf8: bool) -> _Line:
        """A connection on which the server has accepted the sender: an idle one, else a new one."""
        while (line := await self._take_idle()) is not None:
            try:
                return await self._announce(line, is_utf8=is_utf8)
            except DeliveryFailed as failed:
                if not failed.is_outage:
                    raise  # otherwise the server has closed it: another one
        return await self._announce(await self._connect(), is_utf8=is_utf8)

    async def _announce(self, line: _Line, *, is_utf8: bool) -> _Line:
        client = line.client
        if is_utf8 and not client.supports_extension("smtputf8"):
            await self._release(line)
            raise DeliveryFailed(
                "the SMTP server has no SMTPUTF8, which this address needs", is_permanent=True
            )
        try:
            with translated("sender", is_outage=True):
                async with asyncio.timeout(self._step_seconds):
                    await client.mail(self._sender, options=["SMTPUTF8"] if is_utf8 else [])
        except BaseException:
            line.discard()
            raise
        return line

    async def _connect(self) -> _Line:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user or None,
            password=server.password or None,
            # Otherwise the name of this machine, which a blocking look-up finds
            local_hostname=self._sender.rpartition("@")[2],
            timeout=self._step_seconds,
            use_tls=server.transport == "tls",
            start_tls=server.transport == "starttls",
            tls_context=None if server.transport == "none" else self._tls or ssl.create_default_context(),
        )
        try:
            with translated("connection", is_outage=True):
                async with asyncio.timeout(self._connect_seconds):
                    await client.connect()
        except BaseException:
            client.close()
            raise
        return _Line(client)

    async def _take_idle(self) -> _Line | None:
        await self.close_idle()
        return self._idle.pop() if self._idle else None

    async def _release(self, line: _Line) -> None:
        """Keep the connection for the next mail, without what is left of this one (RFC 5321 4.1.1.5)."""
        try:
            async with asyncio.timeout(self._step_seconds):
                await line.client.rset()
        except (aiosmtplib.SMTPException, OSError):
            line.discard()
            return
        line.idle_since = asyncio.get_running_loop().time()
        self._idle.append(line)


async def _quit(line: _Line) -> None:
    with suppress(aiosmtplib.SMTPException, OSError):
        async with asyncio.timeout(_QUIT_SECONDS):
            await line.client.quit()
    line.discard()
