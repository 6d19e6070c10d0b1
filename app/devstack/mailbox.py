"""The mailbox of the demo: an SMTP server on loopback that keeps the last mails in memory.

It needs the extra `mailbox`. It delivers nothing, and any program of this machine may send to it.
"""

from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from importlib.util import find_spec
from typing import Any, Final

from app.devstack.errors import StackUnavailable
from app.devstack.ports import free_port
from app.settings.mail import has_mail

MOST_MAILS: Final = 100
_MOST_BYTES: Final = 1_000_000  # of a mail
_ATTEMPTS: Final = 5
_LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class ReceivedMail:
    to: str
    subject: str
    text: str
    html: str
    at: datetime  # when it arrived


class Mailbox:
    """The mails that arrived, the last one first. `port` is where it listens."""

    def __init__(self) -> None:
        self.port = 0
        self._mails: deque[ReceivedMail] = deque(maxlen=MOST_MAILS)

    def mails(self) -> list[ReceivedMail]:
        return list(self._mails)

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        """Keep a mail."""
        message = BytesParser(policy=default).parsebytes(envelope.original_content or b"")
        assert isinstance(message, EmailMessage)  # noqa: S101  the policy's class
        self._mails.appendleft(
            ReceivedMail(
                to=", ".join(envelope.rcpt_tos),
                subject=str(message["Subject"] or ""),
                text=_part(message, "plain"),
                html=_part(message, "html"),
                at=datetime.now(UTC),
            )
        )
        return "250 OK"


def has_mailbox() -> bool:
    """Whether the packages of the extras `mailbox` and `mail` are installed."""
    return find_spec("aiosmtpd") is not None and has_mail()


@contextmanager
def running_mailbox() -> Iterator[Mailbox | None]:
    """A mailbox that listens, in a thread; None without its packages. Raises StackUnavailable."""
    if not has_mailbox():
        yield None
        return
    mailbox = Mailbox()
    controller = _start(mailbox)
    try:
        yield mailbox
    finally:
        controller.stop()


def _start(mailbox: Mailbox) -> Any:
    from aiosmtpd.controller import Controller  # noqa: PLC0415  of an extra

    for _ in range(_ATTEMPTS):
        mailbox.port = free_port()
        controller = Controller(
            mailbox, hostname=_LOOPBACK, port=mailbox.port, data_size_limit=_MOST_BYTES, enable_SMTPUTF8=True
        )
        try:
            controller.start()
        except OSError:  # another program was faster
            continue
        return controller
    raise StackUnavailable("The mailbox found no free port.")


def _part(message: EmailMessage, subtype: str) -> str:
    body = message.get_body((subtype,))
    return str(body.get_content()).replace("\r\n", "\n") if body is not None else ""
