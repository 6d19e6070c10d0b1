"""The arguments of a call, read from the query and body of the request: names, and unchanged values.

The names select the overload. Postgres assigns the values to its parameters. This module treats all argument
names alike.
"""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, NoReturn
from urllib.parse import unquote_to_bytes

from app.auth.calls import FunctionCall
from app.auth.documents import compact, parse
from app.auth.replies import Rejected, error_reply

EMPTY_OBJECT: Final = "{}"
EMPTY_ARRAY: Final = "[]"
CSV_NULL: Final = "NULL"


class Kind(Enum):
    """The format of the body, by its Content-Type."""

    JSON = auto()
    FORM = auto()
    CSV = auto()
    TEXT = auto()
    XML = auto()
    BYTES = auto()


# Compared byte for byte with the text before the first semicolon, as PostgREST does
_KINDS: Final = {
    b"application/json": Kind.JSON,
    b"application/x-www-form-urlencoded": Kind.FORM,
    b"text/csv": Kind.CSV,
    b"text/plain": Kind.TEXT,
    b"text/xml": Kind.XML,
    b"application/octet-stream": Kind.BYTES,
}
RAW_KINDS: Final = frozenset({Kind.TEXT, Kind.XML, Kind.BYTES})


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call."""

    kind: Kind
    names: frozenset[str]
    document: str | bytes = ""  # for Postgres; JSON: an object, or an array of which the first object is used
    fields: tuple[tuple[str, str], ...] = ()  # of a form, in order, instead of a document


def read_arguments(call: FunctionCall) -> Arguments:
    """The arguments of the request. Raises Rejected with PostgREST's error if they cannot be read."""
    columns = _read_columns(call.query)
    content_type = call.header(b"content-type")
    media = b"application/json" if content_type is None else content_type.split(b";")[0] or b"*/*"
    kind = _KINDS.get(media)
    if kind is None:
        _reject(f"Content-Type not acceptable: {media.decode(errors='replace')}")
    if kind is Kind.JSON:
        return _read_json(call.body, columns)
    return _READERS[kind](call.body)


def _read_json(body: bytes, columns: frozenset[str] | None) -> Arguments:
    try:
        text = body.decode()
        value = parse(text) if body or columns is not None else {}
    except ValueError:
        _reject("Empty or invalid json")
    document = text or EMPTY_OBJECT
    if columns is not None:
        return Arguments(Kind.JSON, columns, document)
    if isinstance(value, dict):
        return Arguments(Kind.JSON, frozenset(value), document)
    if not isinstance(value, list) or not value:
        return Arguments(Kind.JSON, frozenset(), EMPTY_ARRAY)
    names = value[0].keys() if isinstance(value[0], dict) else None
    if names is None or any(not isinstance(item, dict) or item.keys() != names for item in value):
        _reject("All object keys must match")
    return Arguments(Kind.JSON, frozenset(names), document)


def _read_form(body: bytes) -> Arguments:
    # Split at & alone, empty pieces ignored: https://url.spec.whatwg.org/#urlencoded-parsing
    pieces = [piece.replace(b"+", b" ").partition(b"=") for piece in body.split(b"&") if piece]
    try:
        fields = tuple(
            (unquote_to_bytes(name).decode(), unquote_to_bytes(value).decode()) for name, _, value in pieces
        )
    except UnicodeDecodeError:
        _reject("Empty or invalid form")
    return Arguments(Kind.FORM, frozenset(name for name, _ in fields), fields=fields)


def _read_csv(body: bytes) -> Arguments:
    try:
        lines = csv.reader(io.StringIO(body.decode(), newline=""), strict=True)
        header, *rows = (line for line in lines if line)
    except (csv.Error, ValueError):
        _reject("Empty or invalid csv")
    if not rows:
        return Arguments(Kind.CSV, frozenset(), EMPTY_ARRAY)
    width = min(len(header), len(rows[0]))
    if any(min(len(header), len(row)) != width for row in rows):
        _reject("All lines must have same number of fields")
    values = (None if value == CSV_NULL else value for value in rows[0])
    first = dict(zip(header, values, strict=False))
    return Arguments(Kind.CSV, frozenset(first), compact(first))


def _read_text(body: bytes) -> Arguments:
    return Arguments(Kind.TEXT, frozenset(), _decode(body))


def _read_xml(body: bytes) -> Arguments:
    return Arguments(Kind.XML, frozenset(), _decode(body))


def _read_bytes(body: bytes) -> Arguments:
    return Arguments(Kind.BYTES, frozenset(), body)


def _decode(body: bytes) -> str:
    try:
        return body.decode()
    except UnicodeDecodeError:
        _reject("Body is not UTF-8")


_READERS: Final = {
    Kind.FORM: _read_form,
    Kind.CSV: _read_csv,
    Kind.TEXT: _read_text,
    Kind.XML: _read_xml,
    Kind.BYTES: _read_bytes,
}


def _read_columns(query: bytes) -> frozenset[str] | None:
    """The names in the first `columns=` of the query; None without one."""
    columns: frozenset[str] | None = None
    for piece in query.split(b"&"):
        name, _, value = piece.replace(b"+", b" ").partition(b"=")
        if not name and not value:
            continue
        if unquote_to_bytes(name) != b"columns":
            # PostgREST would read it as a filter on the result. The response does not repeat the name: it may
            # be a password in the wrong place
            _reject_query("An auth function takes no query parameter except columns")
        if columns is None:
            columns = frozenset(_split_columns(value))
    return columns


def _split_columns(value: bytes) -> Iterator[str]:
    """The names between commas, without the blanks around them; double quotes protect a comma."""
    try:
        items = next(csv.reader([unquote_to_bytes(value).decode()], skipinitialspace=True, strict=True), [])
    except (csv.Error, UnicodeDecodeError):
        items = []
    if not items or not all(item.strip() for item in items):
        _reject_query("failed to parse columns parameter")
    return (item.strip() for item in items)


def _reject(message: str) -> NoReturn:
    raise Rejected(error_reply(400, "PGRST102", message))


def _reject_query(message: str) -> NoReturn:
    raise Rejected(error_reply(400, "PGRST100", message))
