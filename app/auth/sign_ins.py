"""Whether a reply is a sign-in: by a session cookie, or by a token in its body.

Login functions as in PostgREST's documentation return the token (`{"token": "..."}`). Some functions respond
to a wrong password with 200 and `{"error": "..."}`. So the status is not enough: a reply without cookie and
token counts as a failed sign-in.
"""

import csv
import io
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from typing import Final

from app.auth.documents import parse
from app.auth.replies import Reply
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import deletes, name_of

_TOKENS: Final = ("token", "access_token", "accessToken", "jwt")  # the members that may hold the token
_ERROR: Final = "error"
_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+").fullmatch  # RFC 7515 section 7.1
_SUCCESS: Final = range(200, 300)


def signs_in(reply: Reply, names: CookieNames) -> bool:
    """Whether the reply is that to a correct password."""
    return reply.status in _SUCCESS and (_sets_session(reply, names) or _holds_token(reply))


def _sets_session(reply: Reply, names: CookieNames) -> bool:
    cookies = (value for name, value in reply.headers if name.lower() == b"set-cookie")
    return any(name_of(value) in names.both and not deletes(value) for value in cookies)


def reports_error(reply: Reply) -> bool:
    """Whether the body is an object, or a first row, with the member `error`."""
    value = _read(reply)
    return isinstance(value, dict) and bool(value.get(_ERROR))


def _holds_token(reply: Reply) -> bool:
    """Whether the body is a token, or an object or a first row with a token and no error."""
    value = _read(reply)
    if isinstance(value, dict):
        return not value.get(_ERROR) and any(_is_token(value.get(name)) for name in _TOKENS)
    return _is_token(value)


def _read(reply: Reply) -> object:
    """The value of the body, or its first row; None if there is none, or it cannot be parsed."""
    media = next((value for name, value in reply.headers if name.lower() == b"content-type"), b"")
    try:
        text = reply.body.decode()
        value = next(_rows(text), None) if media.startswith(b"text/csv") else parse(text)
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


def _is_token(value: object) -> bool:
    """Whether the value is a JWS in compact form (RFC 7515 section 7.1) with a JOSE header."""
    parts = _COMPACT(value) if isinstance(value, str) else None
    if parts is None:
        return False
    try:
        header = parse(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)).decode())
    except ValueError:
        return False
    return isinstance(header, dict) and isinstance(header.get("alg"), str)
