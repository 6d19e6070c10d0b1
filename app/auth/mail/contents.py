"""The variables of the templates: the same for each purpose, so that a template can rely on them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode, urlsplit
from uuid import UUID

from app.auth.mail.outbox import Mail
from app.core.one_time_codes import link_code, show_typed_code, typed_code

PURPOSES: Final = ("verify_email", "reset_password", "sign_in", "change_email", "invitation", "notice")
# The page of each purpose; the code of a notice cancels a change of the address
_PAGES: Final = {
    **{purpose: purpose.replace("_", "-") for purpose in PURPOSES},
    "notice": "cancel-email-change",
}
# Of the row's data: the names in templates, and in the data
_SHOWN: Final = {
    "username": "username",
    "event": "event",
    "role": "role",
    "new_address": "new_address",
    "client_address": "address_of_client",
    "user_agent": "user_agent",
    "at": "at",
}
_LONGEST: Final = 200  # characters of a value from the data
SAMPLE: Final = {
    "username": "alice",
    "event": "password_changed",
    "role": "member",
    "new_address": "a***@example.org",
    "address_of_client": "192.0.2.7",
    "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
    "at": "2026-03-01T09:30:00+00:00",
}


def variables_of(mail: Mail, *, key: bytes, public_url: str) -> dict[str, object]:
    """The variables of the templates. A value that the mail lacks is an empty string.

    `link` and `code` are the same code in two lengths; both are empty without one.
    """
    return {
        **{name: _shown(name, mail.data.get(key_)) for name, key_ in _SHOWN.items()},
        "purpose": mail.purpose,
        "address": mail.address,
        "public_url": public_url,
        "site": urlsplit(public_url).netloc,
        "link": _link(mail, key, public_url),
        "code": show_typed_code(typed_code(key, mail.code_id)) if mail.code_id else "",
        "valid_until": _time(mail.expires_at) if mail.expires_at else "",
    }


def sample(purpose: str, data: Mapping[str, Any] = SAMPLE, *, address: str = "alice@example.com") -> Mail:
    """A mail to show or to check a template with; its code belongs to no row."""
    code = None if purpose == "notice" else UUID(int=0)
    expires_at = datetime(2026, 3, 1, 10, 0, tzinfo=UTC) if code else None
    return Mail(
        id=UUID(int=0),
        lease=UUID(int=0),
        purpose=purpose,
        address=address,
        code_id=code,
        request=code,
        data=data,
        expires_at=expires_at,
    )


def _link(mail: Mail, key: bytes, public_url: str) -> str:
    if mail.code_id is None:
        return ""
    query = urlencode({"request": mail.request or "", "code": link_code(key, mail.code_id)})
    return f"{public_url}/auth/{_PAGES[mail.purpose]}?{query}"


def _shown(name: str, value: object) -> str:
    """A value as one short line, since a client may have chosen it."""
    if value is None:
        return ""
    text = "".join(letter if letter.isprintable() else " " for letter in str(value))[:_LONGEST]
    if name == "at":
        try:
            return _time(datetime.fromisoformat(text))
        except ValueError:
            return ""
    return text


def _time(moment: datetime) -> str:
    """A time that reads the same in each language: 2026-03-01 10:00 UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
