"""Errors of the SMTP client as `DeliveryFailed`, with the codes of the response and without its text.

The text of a response may repeat a link of the mail, which contains a code, or the address.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiosmtplib

from app.auth.mail.failures import DeliveryFailed
from app.network import words

_SHUTTING_DOWN: Final = 421  # RFC 5321 section 3.8
_PERMANENT: Final = 500
_ENHANCED = re.compile(r"\s*([245]\.\d{1,3}\.\d{1,3})\b").match  # RFC 3463


@contextmanager
def translated(what: str, *, is_outage: bool = False) -> Iterator[None]:
    """Raise DeliveryFailed for each error of the client. `is_outage`: no mail can be sent after one."""
    try:
        yield
    except aiosmtplib.SMTPResponseException as error:
        raise _rejected(error, what, is_outage=is_outage) from None
    except (aiosmtplib.SMTPConnectError, OSError) as error:  # TimeoutError is an OSError
        raise DeliveryFailed(_lost(error), is_outage=is_outage) from None
    except (aiosmtplib.SMTPException, ValueError) as error:
        reason = f"the SMTP server does not support the {what} ({type(error).__name__})"
        raise DeliveryFailed(reason, is_outage=is_outage) from None


def _rejected(error: aiosmtplib.SMTPResponseException, what: str, *, is_outage: bool) -> DeliveryFailed:
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        what = "user or the password"
    is_ending = error.code == _SHUTTING_DOWN
    found = _ENHANCED(error.message)
    codes = f"{error.code} {found[1]}" if found else str(error.code)
    return DeliveryFailed(
        f"the SMTP server rejects the {what} ({codes})",
        # A rejected sender or password is a fault of the settings, not of the mail
        is_permanent=error.code >= _PERMANENT and not is_outage,
        is_outage=is_outage or is_ending,
        is_connection_usable=not is_ending,
    )


def _lost(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "the SMTP server does not respond in time"
    if isinstance(error, aiosmtplib.SMTPServerDisconnected):
        return "the SMTP server ended the connection"
    return f"the SMTP server cannot be reached: {words(error, 'its address')}"
