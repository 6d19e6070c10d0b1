"""A mail as bytes for the SMTP server.

The header is written by `email.policy.SMTP`, which rejects line ends in values: neither an address nor a name
can add a field.
"""

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Final

from app.auth.mail.addresses import in_ascii

# Without 8BITMIME (RFC 6152), a server takes 7-bit bodies only
_POLICY: Final = SMTP.clone(cte_type="7bit")


@dataclass(frozen=True, slots=True)
class Content:
    """Subject, text and HTML of a mail, in the language of the recipient."""

    language: str
    subject: str
    text: str
    html: str


def message_of(content: Content, *, sender: Address, address: str, message_id: str, now: datetime) -> bytes:
    """The message. `message_id` is unique for each mail and the same in each attempt, without brackets.

    Raises DeliveryFailed for an address that no mail can be sent to.
    """
    recipient = in_ascii(address)
    policy = _POLICY if recipient.isascii() else _POLICY.clone(utf8=True)
    message = EmailMessage(policy)
    message["From"] = sender
    message["To"] = Address(addr_spec=recipient) if recipient.isascii() else recipient
    message["Subject"] = content.subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = f"<{message_id}@{sender.domain}>"
    # RFC 3834 section 5: automatic responders must not respond to it
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(content.text)
    message.add_alternative(content.html, subtype="html")
    message["Content-Language"] = content.language  # last: set_content removes it
    return message.as_bytes(policy=policy)
