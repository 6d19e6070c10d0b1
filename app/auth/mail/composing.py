"""Makes the bytes of a mail from its row of the outbox."""

from collections.abc import Callable
from datetime import UTC, datetime
from email.headerregistry import Address

from app.auth.mail.contents import variables_of
from app.auth.mail.messages import message_of
from app.auth.mail.outbox import Mail
from app.auth.mail.templates import Templates


def composer(
    templates: Templates, *, sender: Address, key: bytes, public_url: str
) -> Callable[[Mail], bytes]:
    """A function that composes mails. `key` derives the codes."""

    def compose(mail: Mail) -> bytes:
        variables = variables_of(mail, key=key, public_url=public_url)
        return message_of(
            templates.render(mail.purpose, variables, mail.language),
            sender=sender,
            address=mail.address,
            message_id=mail.message_id or str(mail.id),
            now=datetime.now(UTC),
        )

    return compose
