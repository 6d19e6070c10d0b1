"""Recipients: which addresses a mail can be sent to, and how servers get them."""

from app.auth.mail.failures import DeliveryFailed
from app.settings.mail import is_mailable


def in_ascii(address: str) -> str:
    """The address with its domain in ASCII (RFC 5891); the local part stays.

    Raises DeliveryFailed for an address that no mail can be sent to.
    """
    local, _, domain = address.rpartition("@")
    try:
        if is_mailable(address):
            return f"{local}@{domain.encode('idna').decode()}"
    except UnicodeError:
        pass
    raise DeliveryFailed("no mail can be sent to an address of this form", is_permanent=True)
