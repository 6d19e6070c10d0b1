"""JSON at the border: read strictly, written compactly (RFC 8259).

What is read here is only looked at. The values of a request travel on to Postgres as the text they
came in, so that no number is rounded and no key reordered on the way.
"""

import json
import re
from itertools import accumulate
from typing import Final, NoReturn

MAX_DEPTH: Final = 200  # below every Python's recursion limit, and above any argument that is meant
_LONGEST_INTEGER: Final = 300  # digits: longer ones are infinite anyway, and int() refuses 4301 of them

_STRING = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"?', re.DOTALL)
_NO_BRACKETS = re.compile(r"[^\[\]{}]+")
_ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000").search
_MAYBE_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]").search


def parse(text: str) -> object:
    """The value of a JSON text; of duplicate keys the last counts, as in Postgres.

    Raises ValueError for everything else: NaN, a byte order mark, half a surrogate pair, deep nesting.
    """
    if _is_too_deep(text):
        raise ValueError("nested too deeply")
    try:
        value: object = json.loads(text, parse_constant=_refuse_constant, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if _MAYBE_SURROGATE(text):
        compact(value).encode()  # UnicodeEncodeError is a ValueError
    return value


def has_nul(document: str) -> bool:
    """Whether a string in a valid JSON text holds NUL, which JSON can write and Postgres cannot hold."""
    return "u0000" in document and _ESCAPED_NUL(document) is not None


def compact(value: object) -> str:
    """The JSON text of a value, as PostgREST writes it: no blanks, and letters as they are."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _is_too_deep(text: str) -> bool:
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return False
    brackets = _NO_BRACKETS.sub("", _STRING.sub("", text))
    return max(accumulate(1 if bracket in "[{" else -1 for bracket in brackets), default=0) > MAX_DEPTH


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)
