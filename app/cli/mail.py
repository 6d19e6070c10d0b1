"""The verbs for mails: show one, send one for a test, list those that wait."""

from typing import Annotated

import typer

from app.cli.tables import minute, table
from app.network import run
from app.operator.mails import MailQueue, UnsentMail, read_queue
from app.settings import Settings, SettingsInvalid, load_owner_url, load_settings, variable

app = typer.Typer(no_args_is_help=True, help="Mails: preview them, test the SMTP server, show the queue.")

_NAMES = ("PURPOSE", "ADDRESS", "SINCE", "ATTEMPTS", "NEXT ATTEMPT", "LAST ERROR")


@app.command("preview")
def _preview(
    purpose: Annotated[str, typer.Argument(help="Such as verify_email; a wrong name lists all.")],
    language: Annotated[
        str, typer.Option(metavar="TAG", help="Such as de; English without templates for it.")
    ] = "en",
    *,
    html: Annotated[bool, typer.Option("--html", help="The HTML part instead of the text.")] = False,
) -> None:
    """Show a mail with sample values. Nothing is sent.

    Needs the settings of `postgate serve`. POSTGATE_MAIL_TEMPLATES names a folder with other templates.

    \b
    Examples:
      postgate mail preview verify_email
      postgate mail preview sign_in --language de --html > sign_in.html

    Exit status: 0 if it is shown, 1 if not.
    """  # noqa: D301
    settings = load_settings()
    from app.wiring.mail import preview  # noqa: PLC0415  only these verbs need the packages

    content = preview(settings, purpose, language)
    typer.echo(content.html if html else f"Subject: {content.subject}\n\n{content.text}", nl=False)


@app.command("test")
def _test(address: Annotated[str, typer.Argument(help="The recipient.")]) -> None:
    """Send a test mail, without the outbox.

    Needs the settings of `postgate serve`, with an SMTP server.

    \b
    Example:
      postgate mail test you@example.com

    Exit status: 0 if the SMTP server has accepted the mail, 1 if not.
    """  # noqa: D301
    settings = _with_server(load_settings())
    from app.wiring.mail import send_test  # noqa: PLC0415

    run(send_test(settings, address))
    typer.echo("The SMTP server has accepted the mail.")


@app.command("queue")
def _queue() -> None:
    """Show the mails that are not sent.

    How many wait, how many were given up, and a line for each of the oldest 50: purpose, address, the time
    of its cause, attempts, the time of the next one ("-": it was given up), and the last error. Times are in
    UTC. Needs only POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's login).

    \b
    Example:
      postgate mail queue

    Exit status: 0 if the queue is shown, 1 if not.
    """  # noqa: D301
    queue = run(read_queue(load_owner_url()))
    typer.echo(_summary(queue))
    if queue.mails:
        for line in table(_NAMES, [_row(mail) for mail in queue.mails]):
            typer.echo(line)


def _with_server(settings: Settings) -> Settings:
    if settings.smtp_url is None:
        raise SettingsInvalid([f"{variable('smtp_url')} is not set"])
    return settings


def _summary(queue: MailQueue) -> str:
    oldest = f", the oldest for {queue.oldest_seconds:.0f} s" if queue.waiting else ""
    return f"{queue.waiting} waiting{oldest}; {queue.failed} given up."


def _row(mail: UnsentMail) -> tuple[str, ...]:
    return (
        mail.purpose,
        mail.address,
        minute(mail.created_at),
        str(mail.attempts),
        minute(None if mail.failed_at else mail.next_attempt_at),
        mail.last_error or "-",
    )
