"""The port to the SMTP server: TLS, connections, and reasons of failures."""

import asyncio
import shutil
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from harness.front.tls import make_certificate

from app.auth.mail.failures import DeliveryFailed
from app.auth.mail.smtp import SmtpSender
from app.settings.mail import SmtpServer, read_smtp_url

from .conftest import smtp_sender
from .server import MailServer, authenticator, mail_server

pytestmark = pytest.mark.anyio
needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")

MESSAGE = b"From: noreply@example.com\r\nSubject: x\r\n\r\n.text\r\n"


async def send(sender: SmtpSender, address: str = "alice@example.org", message: bytes = MESSAGE) -> None:
    async with sender.addressed(address) as transaction:
        await transaction.send(message)


async def failure(sending: Awaitable[None]) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as failed:
        await sending
    return failed.value


def responding(response: str) -> Callable[[str], Awaitable[str]]:
    async def respond(_: str) -> str:
        return response

    return respond


async def test_mails_share_a_connection(server: MailServer) -> None:
    sender = smtp_sender(server.port)
    for number in range(3):
        await send(sender, f"user{number}@example.org")
    await sender.close()
    assert (len(server.received), server.connections) == (3, 1)
    assert server.received[0].message.get_content() == ".text\r\n"


async def test_mails_at_the_same_time_have_a_connection_each(server: MailServer) -> None:
    sender = smtp_sender(server.port)
    await asyncio.gather(*(send(sender, f"user{number}@example.org") for number in range(3)))
    await sender.close()
    assert (len(server.received), server.connections) == (3, 3)


@pytest.mark.parametrize("response", ["cut", "421 4.3.2 shutting down"])
async def test_a_connection_that_the_server_has_closed_is_replaced(server: MailServer, response: str) -> None:
    sender = smtp_sender(server.port)
    await send(sender)
    responses = [response]

    async def mail(_: str) -> str:
        return responses.pop() if responses else "250 ok"

    server.mail = mail
    await send(sender)
    await sender.close()
    assert (len(server.received), server.connections) == (2, 2)


async def test_an_old_idle_connection_is_closed(server: MailServer) -> None:
    sender = smtp_sender(server.port)
    await send(sender)
    await sender.close_idle(older_than=3600)
    await send(sender)
    assert server.connections == 1
    await sender.close_idle(older_than=0)
    await send(sender)
    await sender.close()
    assert server.connections == 2


@pytest.mark.parametrize(
    ("step", "response", "reason", "is_permanent", "is_outage"),
    [
        ("mail", "550 5.7.1 no", "the SMTP server rejects the sender (550 5.7.1)", False, True),
        ("mail", "451 later", "the SMTP server rejects the sender (451)", False, True),
        ("rcpt", "550 5.1.1 no", "the SMTP server rejects the recipient (550 5.1.1)", True, False),
        ("rcpt", "450 later", "the SMTP server rejects the recipient (450)", False, False),
        ("rcpt", "421 4.3.2 bye", "the SMTP server rejects the recipient (421 4.3.2)", False, True),
        ("data", "554 5.7.1 spam", "the SMTP server rejects the message (554 5.7.1)", True, False),
        ("data", "452 4.3.1 full", "the SMTP server rejects the message (452 4.3.1)", False, False),
        ("data", "cut", "the SMTP server ended the connection", False, False),
    ],
)
async def test_a_rejection_says_whether_the_mail_or_the_server_is_at_fault(  # noqa: PLR0917
    server: MailServer,
    step: str,
    response: str,
    reason: str,
    is_permanent: bool,  # noqa: FBT001
    is_outage: bool,  # noqa: FBT001
) -> None:
    setattr(server, step, responding(response))
    sender = smtp_sender(server.port)
    failed = await failure(send(sender))
    assert (failed.reason, failed.is_permanent, failed.is_outage) == (reason, is_permanent, is_outage)
    setattr(server, step, responding("250 ok"))
    await send(sender)
    await sender.close()
    assert len(server.received) == 1


async def test_an_unreachable_server_is_an_outage() -> None:
    failed = await failure(send(smtp_sender(1)))
    assert failed.reason == "the SMTP server cannot be reached: nothing listens at its address"
    assert failed.is_outage


async def test_a_server_that_says_nothing_is_an_outage() -> None:
    opened: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: opened.append(writer), "127.0.0.1", 0)
    async with silent:
        port = silent.sockets[0].getsockname()[1]
        failed = await failure(send(smtp_sender(port, connect_seconds=0.2)))
        for writer in opened:
            writer.close()
    assert (failed.reason, failed.is_outage) == ("the SMTP server does not respond in time", True)


async def test_a_check_sends_nothing(server: MailServer) -> None:
    sender = smtp_sender(server.port)
    await sender.check()
    server.mail = responding("550 5.7.1 not yours")
    failed = await failure(sender.check())
    await sender.close()
    assert failed.reason == "the SMTP server rejects the sender (550 5.7.1)"
    assert server.received == []


@pytest.mark.parametrize(
    "address",
    ["a b@example.org", "a@example.org\r\nRCPT TO:<b@example.org>", "<a@example.org>", "a@b@c", "@x", "a@",
     "a@-x", '"a b"@example.org', "a@[127.0.0.1]", "a@example.org,b@example.org", "a" * 250 + "@x.org"],
)  # fmt: skip
async def test_an_address_that_could_be_another_command_is_given_up(server: MailServer, address: str) -> None:
    failed = await failure(send(smtp_sender(server.port), address))
    assert failed.is_permanent
    assert server.connections == 0


async def test_a_domain_outside_ascii_is_sent_in_its_ascii_form(server: MailServer) -> None:
    sender = smtp_sender(server.port)
    await send(sender, "alice@bücher.example")
    await send(sender, "älice@example.org")
    await sender.close()
    assert server.recipients == ["alice@xn--bcher-kva.example", "älice@example.org"]


@needs_openssl
async def test_starttls_is_required_and_the_certificate_is_checked(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.chain, made.key)
    trusting = ssl.create_default_context(cafile=str(made.chain))
    trusting.check_hostname = False  # the certificate's name is another

    def sender(port: int, tls: ssl.SSLContext | None) -> SmtpSender:
        return SmtpSender(SmtpServer("127.0.0.1", port, "starttls"), "noreply@example.com", tls=tls)

    async with mail_server() as plain:
        failed = await failure(send(sender(plain.port, trusting)))
        assert failed.reason.startswith("the SMTP server does not support the connection")
        assert (failed.is_outage, plain.received) == (True, [])
    async with mail_server(tls_context=context, require_starttls=True) as encrypted:
        failed = await failure(send(sender(encrypted.port, None)))
        assert failed.reason == "the SMTP server cannot be reached: the TLS handshake fails"
        assert encrypted.received == []
        trusted = sender(encrypted.port, trusting)
        await send(trusted)
        await trusted.close()
        assert len(encrypted.received) == 1


@needs_openssl
@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")  # it does not know of smtps
async def test_a_wrong_password_is_an_outage_and_not_in_the_reason(tmp_path: Path) -> None:
    made = make_certificate(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.chain, made.key)
    trusting = ssl.create_default_context(cafile=str(made.chain))
    trusting.check_hostname = False
    check = authenticator("user", "right")
    async with mail_server(
        tls=context, auth_required=True, auth_require_tls=False, authenticator=check
    ) as server:

        def sender(password: str) -> SmtpSender:
            address = SmtpServer("127.0.0.1", server.port, "tls", "user", password)
            return SmtpSender(address, "noreply@example.com", tls=trusting)

        failed = await failure(send(sender("wrong-password")))
        assert failed.reason == "the SMTP server rejects the user or the password (535 5.7.8)"
        assert (failed.is_outage, failed.is_permanent) == (True, False)
        right = sender("right")
        await send(right)
        await right.close()
        assert len(server.received) == 1
    assert "wrong-password" not in repr(read_smtp_url("smtps://user:wrong-password@mail.example"))
