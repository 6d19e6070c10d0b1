"""The reply of a call: status, headers and body, in PostgREST's format.

This module has PostgREST's conventions: `response.headers`, `response.status`, the four keys of an error.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from app.auth.documents import compact, parse
from app.errors import Headers

JSON_TYPE: Final = b"application/json; charset=utf-8"
NO_CONTENT: Final = 204
BODILESS: Final = frozenset({204, 205, 304})  # RFC 9110 sections 15.3.5, 15.3.6, 15.4.5

_LOWEST_ERROR: Final = 400
_NOT_FOUND: Final = 404
_NO_OVERLOAD: Final = "PGRST202"
_BAD_HEADERS: Final = (
    "response.headers guc must be a JSON array composed of objects with a single key and a string value"
)
_BAD_STATUS: Final = "response.status guc must be a valid status code"

_is_token = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch  # RFC 9110 section 5.6.2
_has_control = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]").search
_leading_digits = re.compile(r"[0-9]+").match
# The server frames the message. A function that set these fields could desynchronise the connection for the
# next request: response splitting (RFC 9112 section 11.1)
_FRAMING = frozenset(
    b"connection content-length keep-alive proxy-connection te trailer transfer-encoding upgrade".split()
)


@dataclass(frozen=True, slots=True)
class Reply:
    """A response to the client, without Content-Length, which the server adds."""

    status: int
    headers: Headers  # in order, duplicates kept
    body: bytes
    sqlstate: str | None = None  # of a database error whose text the client does not get; for the log


class Rejected(Exception):
    """The call fails with this reply."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of a call, as the database returned it."""

    body: str | None  # None: a void function
    rows: int
    content_type: bytes = JSON_TYPE
    counted: bool = False  # the client preferred count=exact
    headers: str | None = None  # the setting response.headers after the call
    status: str | None = None  # the setting response.status after the call


def success(outcome: Outcome) -> Reply:
    """The reply to a committed call.

    Raises Rejected (500, PGRST111 or PGRST112) for an invalid `response.headers` or `response.status`. As in
    PostgREST, this is after the commit: the function's changes stay.
    """
    is_void = outcome.body is None
    status = _read_status(outcome.status) or (NO_CONTENT if is_void else 200)
    asked_for = _read_headers(outcome.headers)
    own = [(b"Content-Range", _content_range(outcome))]
    if outcome.counted:
        own.append((b"Preference-Applied", b"count=exact"))
    if not is_void:
        own.append((b"Content-Type", outcome.content_type))
    replaced = {name.lower() for name, _ in asked_for}
    headers = [(name, value) for name, value in own if name.lower() not in replaced]
    return _reply(status, headers + asked_for, (outcome.body or "").encode())


def error_reply(
    status: int,
    code: str,
    message: str,
    *,
    details: str | None = None,
    hint: str | None = None,
    headers: Iterable[tuple[bytes, bytes]] = (),
    sqlstate: str | None = None,
) -> Reply:
    """A reply with the four keys of a PostgREST error, in PostgREST's order."""
    body = compact({"code": code, "details": details, "hint": hint, "message": message}).encode()
    return _reply(status, [(b"Content-Type", JSON_TYPE), *headers], body, sqlstate)


def checked_headers(pairs: Iterable[tuple[str, str]]) -> Headers:
    """The header fields that SQL set, without those of framing.

    Raises ValueError for a name or value that is not valid in HTTP (RFC 9110 sections 5.1 and 5.5).
    """
    headers = [(name.encode(), value.encode()) for name, value in pairs]
    for name, value in headers:
        if _is_token(name) is None or _has_control(value) is not None:
            raise ValueError("not a header")
    return [(name, value) for name, value in headers if name.lower() not in _FRAMING]


def is_json(reply: Reply) -> bool:
    """Whether the body is JSON, by its Content-Type."""
    media = _media(reply)
    return media == b"application/json" or media.endswith(b"+json")


def is_csv(reply: Reply) -> bool:
    """Whether the body is CSV, by its Content-Type."""
    return _media(reply) == b"text/csv"


def code_of(reply: Reply) -> str:
    """The code of an error reply; empty for another one."""
    if reply.status < _LOWEST_ERROR:
        return ""
    try:
        error = parse(reply.body.decode())
    except ValueError:
        return ""
    code = error.get("code") if isinstance(error, dict) else None
    return code if isinstance(code, str) else ""


def is_missing(reply: Reply) -> bool:
    """Whether there is no function with these arguments. A function itself may respond with 404 too."""
    return reply.status == _NOT_FOUND and code_of(reply) == _NO_OVERLOAD


def is_usable_status(status: int) -> bool:
    """Whether a final response may have this status; 1xx is interim (RFC 9110 section 15.2)."""
    return 200 <= status <= 599  # noqa: PLR2004 (the classes 2xx to 5xx)


def _media(reply: Reply) -> bytes:
    media = next((value for name, value in reply.headers if name.lower() == b"content-type"), b"")
    return media.partition(b";")[0].strip().lower()


def _reply(status: int, headers: Headers, body: bytes, sqlstate: str | None = None) -> Reply:
    return Reply(status, headers, b"" if status in BODILESS else body, sqlstate)


def _content_range(outcome: Outcome) -> bytes:
    span = b"0-%d" % (outcome.rows - 1) if outcome.rows else b"*"
    return span + (b"/%d" % outcome.rows if outcome.counted else b"/*")


def _read_status(text: str | None) -> int | None:
    """The number at the start of `response.status`; PostgREST reads 404 from 404abc. None: it is not set."""
    if not text:
        return None
    digits = _leading_digits(text)
    status = int("0" + digits[0].lstrip("0")[:4]) if digits is not None else 0
    if not is_usable_status(status):
        raise Rejected(error_reply(500, "PGRST112", _BAD_STATUS))
    return status


def _read_headers(text: str | None) -> Headers:
    if not text:
        return []
    try:
        return checked_headers(_single_pairs(parse(text)))
    except ValueError:
        raise Rejected(error_reply(500, "PGRST111", _BAD_HEADERS)) from None


def _single_pairs(document: object) -> Iterable[tuple[str, str]]:
    if not isinstance(document, list):
        raise ValueError("not an array")  # noqa: TRY004 (one kind of error for one kind of caller)
    for item in document:
        if not isinstance(item, dict) or len(item) != 1:
            raise ValueError("not an object with a single key")
        for name, value in item.items():
            if not isinstance(value, str):
                raise ValueError("not a string")  # noqa: TRY004
            yield name, value
