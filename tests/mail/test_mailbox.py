"""The mailbox of the demo: mails of a real gateway, as a page and as JSON."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from harness.relay.deadlines import wait_until
from harness.relay.gateway import running_gateway, settings_for

from app.devstack import Database, DevStack, Mailbox, running_mailbox
from app.devstack import mailbox as mailbox_module
from app.devstack.mailbox_pages import mailbox_routes
from app.events import MailSent

from .outboxes import enqueue

pytestmark = pytest.mark.anyio


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with running_mailbox() as running:
        assert running is not None
        yield running


def send(mailbox: Mailbox, subject: str = "Hello", text: str = "text", html: str = "<p>html</p>") -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@example.com", "b@example.org", subject
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", mailbox.port) as client:
        client.send_message(message)


async def get(mailbox: Mailbox, path: str, host: str = "localhost:8001", **headers: str) -> httpx.Response:
    app = FastAPI()
    app.include_router(mailbox_routes(mailbox))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
        return await client.get(path, headers=headers)


async def test_the_last_mail_is_the_first_in_json(mailbox: Mailbox) -> None:
    for number in range(2):
        send(mailbox, f"Mail {number}")
    response = await get(mailbox, "/dev/mails")
    mails: list[dict[str, Any]] = response.json()
    assert [mail["subject"] for mail in mails] == ["Mail 1", "Mail 0"]
    assert set(mails[0]) == {"to", "subject", "text", "html", "at"}
    assert (mails[0]["to"], mails[0]["text"], mails[0]["html"]) == (
        "b@example.org",
        "text\n",
        "<p>html</p>\n",
    )


async def test_the_page_escapes_mails_and_makes_links(mailbox: Mailbox) -> None:
    assert "There are no mails yet." in (await get(mailbox, "/dev/mailbox")).text
    send(mailbox, "<script>1</script>", "open http://localhost:8000/auth/x?request=1&code=2 <b>now</b>")
    page = await get(mailbox, "/dev/mailbox")
    assert "<script>" not in page.text
    assert "&lt;b&gt;now&lt;/b&gt;" in page.text
    url = "http://localhost:8000/auth/x?request=1&amp;code=2"
    assert f'<a href="{url}">{url}</a>' in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in policy
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("path", ["/dev/mails", "/dev/mailbox"])
async def test_no_other_site_can_read_the_codes(mailbox: Mailbox, path: str) -> None:
    send(mailbox)
    assert (await get(mailbox, path)).status_code == 200
    assert (await get(mailbox, path, host="127.0.0.1:8001")).status_code == 200
    assert (await get(mailbox, path, host="[::1]:8001")).status_code == 200
    rebound = await get(mailbox, path, host="evil.example:8001")
    cross_site = await get(mailbox, path, **{"Sec-Fetch-Site": "cross-site"})
    assert (rebound.status_code, cross_site.status_code) == (403, 403)


async def test_only_the_last_mails_are_kept(mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(mailbox_module.MOST_MAILS + 2):
        send(mailbox, str(number))
    subjects = [mail.subject for mail in mailbox.mails()]
    assert len(subjects) == mailbox_module.MOST_MAILS
    assert subjects[0] == str(mailbox_module.MOST_MAILS + 1)


def test_without_its_packages_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox_module, "has_mailbox", lambda: False)
    with running_mailbox() as mailbox:
        assert mailbox is None


def test_a_gateway_sends_the_mails_of_its_database(
    database: Database, stack: DevStack, mailbox: Mailbox
) -> None:
    settings = settings_for(
        stack.postgrest_url,
        database_url=database.gateway_dsn,
        smtp_url=f"smtp://127.0.0.1:{mailbox.port}",
        mail_from="Example <noreply@example.com>",
        public_url="http://localhost:8000",
    )
    with running_gateway(settings) as gateway:
        enqueue(database, "alice@example.org", language="'de'")
        wait_until(mailbox.mails, "the mail")
        assert gateway.wait_event(MailSent).purpose == "sign_in"

        def exposed() -> str:
            return httpx.get(f"http://127.0.0.1:{gateway.admin_port}/metrics").text

        wait_until(lambda: 'gateway_mails_total{result="sent"} 1.0' in exposed(), "the count")
        wait_until(lambda: "gateway_mails_queued 0.0" in exposed(), "the gauge")
        assert "gateway_mail_delivery_stopped 0.0" in exposed()
        assert httpx.get(f"http://127.0.0.1:{gateway.admin_port}/dev/mails").status_code == 404
    (mail,) = mailbox.mails()
    assert mail.subject == "Anmeldung bei localhost:8000"
    assert "http://localhost:8000/auth/sign-in?request=" in mail.text
