"""The settings of mail: what is accepted, and that no error repeats a value."""

import base64
from pathlib import Path

import pytest

from app.settings import Settings, SettingsInvalid, load_settings
from app.settings.mail import SmtpServer, read_smtp_url

GOOD = {
    "POSTGATE_DATABASE_URL": "postgresql://gateway@db/app",
    "POSTGATE_JWT_SECRET": base64.b64encode(bytes(range(32))).decode(),
    "POSTGATE_SMTP_URL": "smtp://user:secret@mail.example",
    "POSTGATE_MAIL_FROM": "Example <noreply@example.com>",
    "POSTGATE_PUBLIC_URL": "https://app.example/",
}


def problems(**changes: str) -> list[str]:
    with pytest.raises(SettingsInvalid) as invalid:
        load_settings({**GOOD, **changes})
    return invalid.value.problems


def load(**changes: str) -> Settings:
    return load_settings({**GOOD, **changes})


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtp://mail.example", SmtpServer("mail.example", 587, "starttls")),
        ("smtp://u:p%40%2F@mail.example:2525", SmtpServer("mail.example", 2525, "starttls", "u", "p@/")),
        ("smtps://u:p@mail.example", SmtpServer("mail.example", 465, "tls", "u", "p")),
        ("smtp://mailbox:1025?tls=none", SmtpServer("mailbox", 1025, "none")),
        ("smtp://127.0.0.1:1025", SmtpServer("127.0.0.1", 1025, "none")),
        ("smtp://[::1]:1025", SmtpServer("::1", 1025, "none")),
        ("smtp://u:p@localhost", SmtpServer("localhost", 25, "none", "u", "p")),
        ("smtps://localhost", SmtpServer("localhost", 465, "tls")),
    ],
)
def test_tls_is_required_except_on_this_machine_or_where_it_is_switched_off(
    url: str, server: SmtpServer
) -> None:
    assert read_smtp_url(url) == server
    assert load(POSTGATE_SMTP_URL=url).smtp_url is not None


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("http://mail.example", "is not smtp://"),
        ("smtp://", "is not smtp://"),
        ("smtp://mail.example:hidden", "is not smtp://"),
        ("smtp://mail.example/path", "is not smtp://"),
        ("smtp://hidden@mail.example", "has a user without a password"),
        ("smtp://u:hidden@mail.example?tls=none", "would send its password without TLS"),
        ("smtps://mail.example?tls=none", "has a parameter other than ?tls=none"),
        ("smtp://mail.example?tls=hidden", "has a parameter other than ?tls=none"),
        ("smtp://mail.example?x", "is not smtp://"),
    ],
)
def test_an_invalid_server_is_named_without_its_value(url: str, problem: str) -> None:
    (found,) = problems(POSTGATE_SMTP_URL=url)
    assert found.startswith(f"POSTGATE_SMTP_URL {problem}")
    assert "hidden" not in found


@pytest.mark.parametrize(
    "sender",
    [
        "nobody",
        "a@example.com, b@example.com",
        "Ünï <ü@example.com>",
        "<>",
        "a@b@c",
        "A: b@example.com;",
        '"x" <"a b"@y>',
    ],
)
def test_the_sender_is_one_address(sender: str) -> None:
    (found,) = problems(POSTGATE_MAIL_FROM=sender)
    assert found.startswith("POSTGATE_MAIL_FROM ")


@pytest.mark.parametrize(
    "url",
    ["app.example", "ftp://app.example", "http://app.example", "https://app.example/path", "https://app.example?x=1",
     "https://app.example#x", "https://user@app.example", "https://app.example/?", "https://app example", "https://:1",
     "https://app.example:x"],
)  # fmt: skip
def test_links_begin_with_an_https_url_of_a_host(url: str) -> None:
    (found,) = problems(POSTGATE_PUBLIC_URL=url)
    assert found.startswith("POSTGATE_PUBLIC_URL ")


def test_links_of_a_demo_may_be_http() -> None:
    assert load().public_url == "https://app.example"
    assert load(POSTGATE_PUBLIC_URL="http://localhost:8000").public_url == "http://localhost:8000"


def test_a_server_needs_a_sender_and_a_base_of_links() -> None:
    assert problems(POSTGATE_MAIL_FROM="", POSTGATE_PUBLIC_URL="") == [
        "POSTGATE_MAIL_FROM is not set, and POSTGATE_SMTP_URL needs it",
        "POSTGATE_PUBLIC_URL is not set, and POSTGATE_SMTP_URL needs it",
    ]
    assert load(POSTGATE_SMTP_URL="", POSTGATE_MAIL_FROM="", POSTGATE_PUBLIC_URL="").smtp_url is None


def test_a_server_needs_the_packages_of_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.settings.mail.has_mail", lambda: False)
    assert problems() == [
        "POSTGATE_SMTP_URL needs the extra mail: pip install '.[mail]' in Postgate's folder"
    ]


def test_templates_are_in_a_folder(tmp_path: Path) -> None:
    assert load(POSTGATE_MAIL_TEMPLATES=str(tmp_path)).mail_templates == tmp_path
    (found,) = problems(POSTGATE_MAIL_TEMPLATES=str(tmp_path / "none"))
    assert found.startswith("POSTGATE_MAIL_TEMPLATES names a folder that does not exist")
