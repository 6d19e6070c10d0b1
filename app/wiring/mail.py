"""Sending mails, where an SMTP server is configured. The packages of the extra `mail` are imported then."""
# ruff: noqa: PLC0415

from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import asyncpg

from app.auth.mail.delivery import MailDelivery, Sender
from app.auth.mail.failures import DeliveryFailed
from app.auth.mail.messages import Content
from app.auth.mail.outbox import Mail, Outbox
from app.core.one_time_codes import code_key
from app.events import Observer
from app.operator.owner import OwnerRefused
from app.settings import Settings, SettingsInvalid, variable
from app.settings.mail import has_mail, read_sender, read_smtp_url


def mail_delivery(
    settings: Settings, database: "asyncpg.Pool[asyncpg.Record]", emit: Observer
) -> MailDelivery | None:
    """The worker of the outbox; None without an SMTP server."""
    if settings.smtp_url is None:
        return None
    outbox = Outbox(database, schema=settings.auth_schema)
    return MailDelivery(outbox, mail_sender(settings), mail_composer(settings), emit)


def mail_sender(settings: Settings) -> Sender:
    """The port to the SMTP server of the settings, which must have one."""
    from app.auth.mail.smtp import SmtpSender

    assert settings.smtp_url is not None  # noqa: S101  the caller has checked it
    server = read_smtp_url(settings.smtp_url.get_secret_value())
    return SmtpSender(server, read_sender(settings.mail_from or "").addr_spec)


def mail_composer(settings: Settings) -> Callable[[Mail], bytes]:
    """A function that composes mails, with the codes of the first key of the ring."""
    from app.auth.mail.composing import composer
    from app.auth.mail.templates import Templates

    return composer(
        Templates(settings.mail_templates),
        sender=read_sender(settings.mail_from or ""),
        key=code_key(settings.jwt_ring.private_bytes),
        public_url=settings.public_url or "",
    )


def check_templates(settings: Settings) -> None:
    """Render each template. Raises SettingsInvalid with a sentence for each that fails."""
    if settings.smtp_url is None or settings.mail_templates is None:
        return  # tests hold the shipped ones
    from app.auth.mail.templates import Templates, TemplatesInvalid

    try:
        Templates(settings.mail_templates).check_all()
    except TemplatesInvalid as invalid:
        name = variable("mail_templates")
        raise SettingsInvalid(
            [f"{name} has an invalid template, {each}" for each in invalid.problems]
        ) from None


def preview(settings: Settings, purpose: str, language: str) -> Content:
    """A mail with sample values. Raises OwnerRefused."""
    if not has_mail():
        raise OwnerRefused("Mails need the extra mail: pip install '.[mail]' in Postgate's folder.")
    from app.auth.mail.contents import PURPOSES, sample, variables_of
    from app.auth.mail.templates import TEMPLATE_ERRORS, Templates

    if purpose not in PURPOSES:
        raise OwnerRefused(f"There is no such mail: {', '.join(PURPOSES)} are possible.")
    public_url = settings.public_url or "https://app.example"
    variables = variables_of(sample(purpose), key=bytes(32), public_url=public_url)
    try:
        return Templates(settings.mail_templates).render(purpose, variables, language)
    except TEMPLATE_ERRORS as error:
        raise OwnerRefused(f"The template fails: {error}.") from None


async def send_test(settings: Settings, address: str) -> None:
    """Send a test mail through the SMTP server of the settings. Raises OwnerRefused."""
    from app.auth.mail.contents import sample

    mail = replace(sample("notice", {"event": "test_mail"}, address=address), id=uuid4())
    sender = mail_sender(settings)
    try:
        async with sender.addressed(address) as transaction:
            await transaction.send(mail_composer(settings)(mail))
        await sender.close()
    except DeliveryFailed as failed:
        raise OwnerRefused(f"The mail is not sent: {failed.reason}.") from None
