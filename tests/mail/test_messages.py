"""Messages and templates: complete in each language, escaped, and without injected fields."""

from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from pathlib import Path
from uuid import UUID

import pytest

from app.auth.mail.composing import composer
from app.auth.mail.contents import PURPOSES, SAMPLE, sample, variables_of
from app.auth.mail.failures import DeliveryFailed
from app.auth.mail.messages import Content, message_of
from app.auth.mail.outbox import Mail
from app.auth.mail.templates import Templates, TemplatesInvalid
from app.core.one_time_codes import link_code, show_typed_code, typed_code

from .conftest import KEY, PUBLIC_URL

SHIPPED = Templates()
SENDER = Address("Example", addr_spec="noreply@example.com")
EVENTS = (
    "password_changed", "password_reset", "email_changed", "email_change_requested", "email_change_cancelled",
    "registration_attempted",
    "new_device", "username_changed", "account_disabled", "account_deleted", "test_mail",
)  # fmt: skip
each_language = pytest.mark.parametrize("language", ["en", "de"])
each_purpose = pytest.mark.parametrize("purpose", PURPOSES)


def rendered(mail: Mail, language: str | None = None, templates: Templates = SHIPPED) -> Content:
    return templates.render(mail.purpose, variables_of(mail, key=KEY, public_url=PUBLIC_URL), language)


def parsed(message: bytes) -> EmailMessage:
    result = BytesParser(policy=default).parsebytes(message)
    assert isinstance(result, EmailMessage)
    return result


def message(content: Content | None = None, address: str = "alice@example.org") -> bytes:
    content = content or rendered(sample("sign_in"))
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return message_of(content, sender=SENDER, address=address, message_id="id-1", now=now)


def test_every_shipped_template_renders_with_and_without_values() -> None:
    assert SHIPPED.languages == ("de", "en")
    SHIPPED.check_all()


@each_language
@each_purpose
def test_a_mail_has_its_code_in_both_lengths_and_both_parts(purpose: str, language: str) -> None:
    mail = sample(purpose)
    content = rendered(mail, language)
    assert content.language == language
    assert "app.example" in content.subject
    if mail.code_id is None:
        assert "/auth/" not in content.text + content.html
        return
    code = link_code(KEY, UUID(int=0))
    link = f"{PUBLIC_URL}/auth/{purpose.replace('_', '-')}?request={mail.request}&code={code}"
    assert link in content.text
    assert link.replace("&", "&amp;") in content.html
    assert "2026-03-01 10:00 UTC" in content.text
    assert "192.0.2.7" in content.text


def test_the_two_languages_have_different_texts_for_everything() -> None:
    for purpose in PURPOSES:
        english, german = (rendered(sample(purpose), language) for language in ("en", "de"))
        assert english.subject != german.subject
        assert english.text != german.text
        assert english.html != german.html


@each_language
def test_every_event_has_a_sentence_and_an_unknown_one_its_name(language: str) -> None:
    texts = {
        event: rendered(sample("notice", {"event": event}), language).text for event in (*EVENTS, "odd_thing")
    }
    assert len(set(texts.values())) == len(texts)
    assert [event for event, text in texts.items() if event in text] == ["odd_thing"]


@each_purpose
def test_values_are_escaped_in_html(purpose: str) -> None:
    content = rendered(sample(purpose, dict.fromkeys(SAMPLE, '<a href="//evil">')))
    assert "evil" not in content.html or "&lt;a href=" in content.html
    assert '<a href="//evil"' not in content.html


@pytest.mark.parametrize("purpose", ["verify_email", "change_email", "invitation"])
def test_a_mail_to_an_unverified_address_shows_no_name_that_its_sender_chose(purpose: str) -> None:
    content = rendered(sample(purpose, {"username": "win-money.example", "user_agent": "win-money.example"}))
    assert "win-money" not in content.text + content.html


def test_a_value_of_a_client_is_one_short_line() -> None:
    content = rendered(sample("notice", {"event": "new_device", "user_agent": "a\r\nb\u202e" + "x" * 500}))
    (line,) = [line for line in content.text.splitlines() if line.startswith("Device: ")]
    assert line.startswith("Device: a  b x")
    assert len(line) < 220


@pytest.mark.parametrize(
    ("language", "chosen"),
    [
        ("de", "de"),
        ("de-AT", "de"),
        ("DE_ch", "de"),
        ("fr", "en"),
        (None, "en"),
        ("../../etc", "en"),
        ("", "en"),
    ],
)
def test_the_language_is_that_of_the_tag_or_english(language: str | None, chosen: str) -> None:
    assert rendered(sample("sign_in"), language).language == chosen


def test_a_folder_replaces_single_files_and_adds_languages(tmp_path: Path) -> None:
    (tmp_path / "fr").mkdir()
    (tmp_path / "en").mkdir()
    (tmp_path / "fr/sign_in.txt").write_text("Subject: Bonjour\n\n{{ link }} {{ code }}\n")
    (tmp_path / "en/notice.txt").write_text("Subject: Mine\n\n{{ event }}\n")
    templates = Templates(tmp_path)
    templates.check_all()
    assert rendered(sample("sign_in"), "fr-CA", templates).subject == "Bonjour"
    assert "Sign in" in rendered(sample("sign_in"), "fr", templates).html
    assert rendered(sample("notice"), None, templates).text == "password_changed\n"
    assert rendered(sample("sign_in"), None, templates) == rendered(sample("sign_in"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Subject: x\n{{ user_name }}", "'user_name' is undefined"),
        ("Hello", "its first line does not begin with `Subject:`"),
        ("Subject: x\n{% if %}", "line 2: Expected an expression, got 'end of statement block'"),
    ],
)
def test_a_template_that_fails_is_found_before_a_mail(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "de").mkdir()
    (tmp_path / "de/sign_in.txt").write_text(text)
    with pytest.raises(TemplatesInvalid) as invalid:
        Templates(tmp_path).check_all()
    assert invalid.value.problems == [f"de/sign_in: {problem}"]


def test_a_message_says_that_it_is_automatic_and_has_no_tracking() -> None:
    mail = parsed(message())
    assert mail["From"] == "Example <noreply@example.com>"
    assert mail["To"] == "alice@example.org"
    assert mail["Message-ID"] == "<id-1@example.com>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"] == "Sun, 01 Mar 2026 00:00:00 +0000"
    assert mail["Content-Language"] == "en"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    html = mail.get_body(("html",))
    assert html is not None
    assert not {"<img", "<script", "src=", "url("} & set(html.get_content().split())


@each_language
@each_purpose
def test_a_message_is_plain_ascii_with_short_lines(purpose: str, language: str) -> None:
    raw = message(rendered(sample(purpose), language))
    assert raw.isascii()
    assert all(len(line) <= 998 for line in raw.split(b"\r\n"))  # RFC 5322 section 2.1.1
    assert b"\n" not in raw.replace(b"\r\n", b"")


@pytest.mark.parametrize("subject", ["a\r\nBcc: eve@example.org", "a\nb", "a\rb"])
def test_a_line_end_adds_no_field(subject: str) -> None:
    with pytest.raises(ValueError, match=r"Header values may not contain"):
        message(Content("en", subject, "text", "<p>"))


@pytest.mark.parametrize(
    "address", ["a@example.org\r\nBcc: eve@example.org", "a@example.org, eve@example.org"]
)
def test_an_address_adds_no_recipient(address: str) -> None:
    with pytest.raises(DeliveryFailed):
        message(address=address)


def test_each_attempt_has_the_same_message_id() -> None:
    compose = composer(SHIPPED, sender=SENDER, key=KEY, public_url=PUBLIC_URL)
    mail = sample("sign_in")
    ids = {parsed(compose(mail))["Message-ID"] for _ in range(2)}
    assert ids == {f"<{UUID(int=0)}@example.com>"}


@each_language
def test_a_notice_with_a_code_can_cancel_the_change(language: str) -> None:
    mail = replace(sample("notice"), code_id=UUID(int=0), request=UUID(int=1))
    content = rendered(mail, language)
    assert f"{PUBLIC_URL}/auth/cancel-email-change?request={UUID(int=1)}&code=" in content.text
    assert "/auth/cancel-email-change?" in content.html
    assert show_typed_code(typed_code(KEY, UUID(int=0))) in content.text
