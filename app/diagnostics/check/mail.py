"""Whether mails can be sent: the SMTP server takes the sender, and every template renders."""

from app.auth.mail.failures import DeliveryFailed
from app.diagnostics.check.findings import Finding, ok, problem
from app.settings import Settings, SettingsInvalid, variable
from app.wiring.mail import check_templates, mail_sender


async def check(settings: Settings) -> list[Finding]:
    """Nothing without an SMTP server. No mail is sent."""
    if settings.smtp_url is None:
        return []
    try:
        check_templates(settings)
    except SettingsInvalid as invalid:
        return [problem(f"{sentence}.", "Correct the template.") for sentence in invalid.problems]
    sender = mail_sender(settings)
    try:
        await sender.check()
    except DeliveryFailed as failed:
        return [
            problem(
                f"No mail can be sent: {failed.reason}.",
                f"Correct {variable('smtp_url')} or {variable('mail_from')}, or start the SMTP server.",
            )
        ]
    await sender.close()
    return [ok("The SMTP server accepts the sender of mails.")]
