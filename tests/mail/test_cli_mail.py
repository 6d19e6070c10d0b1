"""`postgate mail`, and what `postgate check` says about mails."""

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path

import pytest
from harness.site.console import PASSWORD, QuickConsole

from app.devstack import Database
from app.diagnostics.check import Level
from app.diagnostics.check.mail import check
from app.settings import Settings, load_settings

from .outboxes import enqueue
from .server import MailServer

pytestmark = pytest.mark.anyio

SETTINGS = {
    "database_url": "postgresql://gateway@127.0.0.1:1/app",
    "jwt_secret": base64.b64encode(bytes(range(32))).decode(),
    "mail_from": "Example <noreply@example.com>",
    "public_url": "https://app.example",
}


def with_server(port: int, **more: str) -> dict[str, str]:
    return {**SETTINGS, "smtp_url": f"smtp://user:{PASSWORD}@127.0.0.1:{port}", **more}


def open_server(port: int, **more: str) -> dict[str, str]:
    return {**SETTINGS, "smtp_url": f"smtp://127.0.0.1:{port}", **more}


def loaded(values: Mapping[str, str]) -> Settings:
    return load_settings({f"POSTGATE_{name.upper()}": value for name, value in values.items()})


@pytest.fixture
def postgate(environ: Mapping[str, str]) -> QuickConsole:
    return QuickConsole(environ)


def test_a_preview_shows_a_mail_in_a_language(postgate: QuickConsole) -> None:
    english = postgate("mail", "preview", "verify_email", **SETTINGS)
    german = postgate("mail", "preview", "verify_email", "--language", "de-CH", "--html", **SETTINGS)
    assert english.stdout.startswith("Subject: Confirm your email address for app.example\n\nHello,\n")
    assert "https://app.example/auth/verify-email?request=" in english.stdout
    assert german.stdout.startswith('<!doctype html>\n<html lang="de">')
    assert (english.status, german.status) == (0, 0)


def test_a_preview_of_nothing_lists_what_there_is(postgate: QuickConsole) -> None:
    shown = postgate("mail", "preview", "welcome", **SETTINGS)
    assert shown.status == 1
    assert shown.stderr.startswith("There is no such mail: verify_email, reset_password, ")


def test_a_preview_says_why_a_template_fails(postgate: QuickConsole, tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en/notice.txt").write_text("Subject: x\n{{ user }}")
    shown = postgate("mail", "preview", "notice", mail_templates=str(tmp_path), **SETTINGS)
    assert (shown.status, shown.stderr) == (1, "The template fails: 'user' is undefined.\n")


async def test_a_test_mail_arrives(postgate: QuickConsole, server: MailServer) -> None:
    def send() -> tuple[int, str, str]:
        done = postgate("mail", "test", "you@example.org", **open_server(server.port))
        return done.status, done.stdout, done.stderr

    assert await asyncio.to_thread(send) == (0, "The SMTP server has accepted the mail.\n", "")
    (mail,) = server.received
    assert mail.recipient == "you@example.org"
    assert "This is a test mail of app.example: mails arrive." in mail.part("plain")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        (SETTINGS, "The settings are invalid:\n  POSTGATE_SMTP_URL is not set\n"),
        (
            with_server(1),
            "The mail is not sent: the SMTP server cannot be reached: nothing listens at its address.\n",
        ),
    ],
)
def test_a_test_mail_that_is_not_sent_has_a_reason(
    postgate: QuickConsole, settings: dict[str, str], error: str
) -> None:
    done = postgate("mail", "test", "you@example.org", **settings)
    assert (done.status, done.stderr) == (1, error)


def test_the_queue_shows_the_mails_that_are_not_sent(postgate: QuickConsole, database: Database) -> None:
    empty = postgate("mail", "queue", owner_database_url=database.owner_dsn)
    assert empty.stdout == "0 waiting; 0 given up.\n"
    enqueue(database, "alice@example.org", "bob@example.org", "sent@example.org")
    database.execute(
        "update auth.outbox set failed_at = now(), attempts = 1, last_error = 'the reason'"
        " where address like 'bob%';"
        "update auth.outbox set sent_at = now() where address like 'sent%'"
    )
    shown = postgate("mail", "queue", owner_database_url=database.owner_dsn)
    first, names, *rows = shown.stdout.splitlines()
    assert first.startswith("1 waiting, the oldest for ")
    assert first.endswith(" s; 1 given up.")
    assert names.split() == ["PURPOSE", "ADDRESS", "SINCE", "ATTEMPTS", "NEXT", "ATTEMPT", "LAST", "ERROR"]
    by_address = {row.split()[1]: row for row in rows}
    assert set(by_address) == {"alice@example.org", "bob@example.org"}
    assert by_address["bob@example.org"].endswith("-                  the reason")


async def test_a_check_asks_the_server_for_the_sender(server: MailServer) -> None:
    assert await check(loaded(SETTINGS)) == []
    settings = loaded(open_server(server.port))
    [good] = await check(settings)

    async def reject(_: str) -> str:
        return "550 5.7.1 not yours"

    server.mail = reject
    [bad] = await check(settings)
    assert (good.level, bad.level) == (Level.OK, Level.PROBLEM)
    assert bad.text == "No mail can be sent: the SMTP server rejects the sender (550 5.7.1)."
    assert server.received == []


async def test_a_check_finds_a_template_that_fails(server: MailServer, tmp_path: Path) -> None:
    (tmp_path / "en").mkdir()
    (tmp_path / "en/notice.txt").write_text("Subject: x\n{{ user }}")
    [found] = await check(loaded(open_server(server.port, mail_templates=str(tmp_path))))
    assert (found.level, found.text) == (
        Level.PROBLEM,
        "POSTGATE_MAIL_TEMPLATES has an invalid template, en/notice: 'user' is undefined.",
    )
