"""Send the mails of the outbox: one task in each worker process.

It wakes by a notification of the database, by the end of a delivery, and otherwise every few seconds. A mail
is sent at least once. Between the moment when the server accepts a mail and the moment when the database
knows, there is one mail of each process at most: a killed process causes at most one duplicate.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Final, Protocol

import asyncpg

from app.auth.mail.failures import DeliveryFailed
from app.auth.mail.outbox import Mail, Outbox, Queue
from app.database import reason as why
from app.events import MailDeliveryResumed, MailDeliveryStopped, MailFailed, MailSent, Observer

CHANNEL: Final = "postgate_outbox"
CONCURRENCY: Final = 4  # a recipient's slow response delays no other mail
LEASE_SECONDS: Final = 120
_FINISHING_SECONDS: Final = 45  # what is left of a lease when the message is sent
_POLL_SECONDS: Final = 5.0
_FIRST_PAUSE: Final = 1.0  # while no mail can be sent; doubles
_LONGEST_PAUSE: Final = 30.0
_REPORT_SECONDS: Final = 30.0  # to report a sent mail to a database that fails
_ABSENT: Final = (
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
    asyncpg.InsufficientPrivilegeError,
)
_FAILURES: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)  # TimeoutError is an OSError


class Transaction(Protocol):
    async def send(self, message: bytes) -> None: ...


class Sender(Protocol):
    """The port to the SMTP server, as `SmtpSender` implements it. Methods raise DeliveryFailed."""

    async def check(self) -> None: ...

    def addressed(self, address: str) -> AbstractAsyncContextManager[Transaction]: ...

    async def close_idle(self) -> None: ...

    async def close(self) -> None: ...


class MailDelivery:
    """Sends mails while `run` runs. `compose` makes the bytes of a mail."""

    def __init__(
        self,
        outbox: Outbox,
        sender: Sender,
        compose: Callable[[Mail], bytes],
        emit: Observer,
        *,
        lease_seconds: int = LEASE_SECONDS,
        poll_seconds: float = _POLL_SECONDS,
        first_pause: float = _FIRST_PAUSE,
    ) -> None:
        self.queue = Queue()  # as of the last look
        self.is_stopped = False  # no mail can be sent
        self._outbox = outbox
        self._sender = sender
        self._compose = compose
        self._emit = emit
        self._lease_seconds = lease_seconds
        self._poll_seconds = poll_seconds
        self._first_pause = self._pause = first_pause
        self._deliveries: set[asyncio.Task[None]] = set()
        self._finishing = asyncio.Lock()
        self._woken = asyncio.Event()
        self._draining = asyncio.Event()
        self._drain_until: float | None = None
        self._looked_at = float("-inf")

    def wake(self) -> None:
        """Look at the outbox now."""
        self._woken.set()

    def adopt(self, compose: Callable[[Mail], bytes]) -> None:
        """Compose later mails with this function."""
        self._compose = compose

    async def run(self) -> None:
        """Send mails until `drain` is called."""
        while not self._draining.is_set():
            self._woken.clear()
            try:
                await self._step()
            except DeliveryFailed as failed:
                self._stop(failed.reason)
            except _ABSENT:
                self._stop("the database has no outbox for this login: run `postgate migrate`")
            except _FAILURES as error:
                self._stop(f"the database cannot be used: {why(error)}")
            else:
                self._resume()
                await self._wait(self._woken, self._poll_seconds)
                continue
            await self._wait(self._draining, self._pause)
            self._pause = min(2 * self._pause, _LONGEST_PAUSE)

    def drain(self, seconds: float) -> None:
        """Lease no more mails. Those in flight have `seconds` left."""
        if self._drain_until is None:
            self._drain_until = asyncio.get_running_loop().time() + seconds
            self._draining.set()
            self._woken.set()

    async def close(self) -> None:
        """Wait for the mails in flight until the end of the drain, then give them up: their leases end."""
        self.drain(0)
        if self._deliveries:
            seconds = (self._drain_until or 0) - asyncio.get_running_loop().time()
            await asyncio.wait(self._deliveries, timeout=max(0, seconds))
        self.abort()
        if self._deliveries:
            await asyncio.wait(self._deliveries)
        await self._sender.close()

    def abort(self) -> None:
        """Give up the mails in flight at once."""
        self.drain(0)
        for delivery in self._deliveries:
            delivery.cancel()

    async def _step(self) -> None:
        """Lease what is due, as long as there is capacity. Raises DeliveryFailed and what asyncpg raises."""
        if self.is_stopped:
            await self._sender.check()  # first, so that an outage delays no address
        free = CONCURRENCY - len(self._deliveries)
        if free:
            until = asyncio.get_running_loop().time() + self._lease_seconds
            for mail in await self._outbox.lease(free, self._lease_seconds):
                delivery = asyncio.create_task(self._deliver(mail, until))
                self._deliveries.add(delivery)
                delivery.add_done_callback(self._done)
        if not self._deliveries:
            await self._sender.close_idle()
        if asyncio.get_running_loop().time() >= self._looked_at + self._poll_seconds:
            self.queue = await self._outbox.queue()
            self._looked_at = asyncio.get_running_loop().time()

    def _done(self, delivery: asyncio.Task[None]) -> None:
        self._deliveries.discard(delivery)
        self._woken.set()

    async def _deliver(self, mail: Mail, until: float) -> None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            message = self._compose(mail)
            async with self._sender.addressed(mail.address) as transaction, self._finishing:
                if loop.time() > until - min(_FINISHING_SECONDS, self._lease_seconds / 2):
                    return  # another process may lease it soon
                await transaction.send(message)
                await self._report_sent(mail)
        except DeliveryFailed as failed:
            await self._fail(mail, failed)
        except Exception as error:  # noqa: BLE001  one mail's defect must not stop the others
            await self._fail(mail, DeliveryFailed(f"the mail cannot be composed ({type(error).__name__})"))
        else:
            self._emit(MailSent(str(mail.id), mail.purpose, mail.attempts, loop.time() - began))

    async def _report_sent(self, mail: Mail) -> None:
        """Report a sent mail. A database that fails is asked again: otherwise the mail is sent twice."""
        pause = 0.1
        with suppress(TimeoutError):
            async with asyncio.timeout(_REPORT_SECONDS):
                while not await self._try(self._outbox.report_sent(mail)):
                    await asyncio.sleep(pause)
                    pause *= 2

    async def _fail(self, mail: Mail, failed: DeliveryFailed) -> None:
        self._emit(MailFailed(str(mail.id), mail.purpose, mail.attempts, failed.reason, failed.is_permanent))
        if failed.is_outage:
            self._stop(failed.reason)
        # If it fails, the lease ends by itself
        await self._try(self._outbox.report_failed(mail, failed.reason, is_permanent=failed.is_permanent))

    async def _try(self, statement: Awaitable[None]) -> bool:
        try:
            await statement
        except _FAILURES:
            return False
        return True

    def _stop(self, reason: str) -> None:
        if not self.is_stopped:
            self.is_stopped = True
            self._emit(MailDeliveryStopped(reason))

    def _resume(self) -> None:
        if self.is_stopped:
            self.is_stopped = False
            self._pause = self._first_pause
            self._emit(MailDeliveryResumed())

    async def _wait(self, event: asyncio.Event, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await event.wait()
