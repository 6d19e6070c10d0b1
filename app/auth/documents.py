"""JSON of requests and responses: parsed strictly, written compactly (RFC 8259).

Parsed values are only inspected. Postgres gets the original text of a request, so that no number is rounded
and no key is reordered.
"""

import json
import re
from itertools import accumulate
from typing import Final, NoReturn

MAX_DEPTH: Final = 200  # below Python's recursion limit, above the depth of real arguments
_LONGEST_INTEGER: Final = 300  # digits; a longer one is infinite as a float, and int() fails from 4301 on

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000").search
_MAYBE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]").search


def parse(text: str) -> object:
    """The value of a JSON text; the last of duplicate keys is used, as in Postgres.

    Raises ValueError for other text: NaN, a byte order mark, an unpaired surrogate, nesting beyond MAX_DEPTH.
    """
    if _is_too_deep(text):
        raise ValueError("nested too deeply")
    try:
        value: object = json.loads(text, parse_constant=_reject_constant, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _MAYBE_SURROGATE(text):
        compact(value).encode()  # UnicodeEncodeError is a ValueError
    return value


def has_nul(document: str) -> bool:
    """Whether a string in a valid JSON text contains NUL, which Postgres cannot hold."""
    return "u0000" in document and _ESCAPED_NUL(document) is not None


def compact(value: object) -> str:
    """The JSON text of a value as PostgREST writes it: without blanks, characters not escaped."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = _NO_BRACKETS.sub("", _STRING.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0) > MAX_DEPTH


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)
