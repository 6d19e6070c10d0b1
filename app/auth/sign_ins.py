"""Which reply is a sign-in: one that sets a session cookie, or holds a token.

Login functions as in PostgREST's documentation return the token (`{"token": "..."}`). Some functions respond
to a wrong password with 200 and `{"error": "..."}`. So the status is not enough: a reply without cookie and
token counts as a failed sign-in.
"""

import csv
import io
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from app.auth.documents import parse
from app.auth.json_members import Path, values_at
from app.auth.replies import Reply, is_csv
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import deletes, name_of

_ERROR: Final = "error"
_REFRESH: Final = ("refresh_token", "refreshToken")  # beside the token
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+").fullmatch  # RFC 7515 section 7.1
_is_cookie_value = re.compile(r"[!#-+\--:<-\[\]-~]{1,2048}").fullmatch  # RFC 6265 section 4.1.1
_SUCCESS: Final = range(200, 300)


class Held(NamedTuple):
    """The tokens in the body of a sign-in."""

    token: str
    refresh: str | None  # any string that a cookie can hold


def signs_in(reply: Reply, names: CookieNames) -> bool:
    """Whether the reply sets a session cookie, as that to a correct password does.

    The gateway sets the cookies of a reply with a token before (`token_sign_ins`).
    """
    cookies = (value for name, value in reply.headers if name.lower() == b"set-cookie")
    return reply.status in _SUCCESS and any(
        name_of(value) in names.both and not deletes(value) for value in cookies
    )


def reports_error(reply: Reply) -> bool:
    """Whether the body is an object, or a first row, with the member `error`."""
    value = _read(reply)
    return isinstance(value, dict) and bool(value.get(_ERROR))


def held_in(reply: Reply, members: Sequence[Path]) -> Held | None:
    """The token in the first of the members that has one, or that is the whole body.

    None for a reply that is no success, has no token, or reports an error beside it.
    """
    if reply.status not in _SUCCESS or not reply.body:
        return None
    value = _read(reply)
    if is_token(value):
        return Held(str(value), None)
    if not isinstance(value, dict) or value.get(_ERROR):
        return None
    token = next((text for text in values_at(value, members) if is_token(text)), None)
    refresh = next((text for text in values_at(value, refresh_members(members)) if is_refresh(text)), None)
    return None if token is None else Held(str(token), None if refresh is None else str(refresh))


def refresh_members(members: Sequence[Path]) -> list[Path]:
    """Where a refresh token may be: beside the token."""
    parents = dict.fromkeys(path[:-1] for path in members)
    return [(*parent, name) for parent in parents for name in _REFRESH]


def is_token(value: object) -> bool:
    """Whether the value is a JWS in compact form (RFC 7515 section 7.1) with a JOSE header."""
    parts = _COMPACT(value) if isinstance(value, str) else None
    if parts is None:
        return False
    try:
        header = parse(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)).decode())
    except ValueError:
        return False
    return isinstance(header, dict) and isinstance(header.get("alg"), str)


def is_refresh(value: object) -> bool:
    """Whether the value is a string that a cookie can hold."""
    return isinstance(value, str) and _is_cookie_value(value) is not None


def _read(reply: Reply) -> object:
    """The value of the body, or its first row; None if there is none, or it cannot be parsed."""
    try:
        text = reply.body.decode()
        value = next(_rows(text), None) if is_csv(reply) else parse(text)
    except (ValueError, csv.Error):
        return None
    return next(iter(value), None) if isinstance(value, list) else value


def _rows(text: str) -> Iterator[object]:
    """The rows of CSV as objects. A single column is a scalar, which may be JSON."""
    header, *rows = csv.reader(io.StringIO(text, newline=""), strict=True)
    return (
        dict(zip(header, row, strict=False)) if len(header) > 1 else _scalar(row[0]) for row in rows if row
    )


def _scalar(text: str) -> object:
    try:
        return parse(text)
    except ValueError:
        return text
