"""Members of a JSON text, found and edited in place: what is not edited stays byte for byte.

A parsed and rewritten document would have other numbers: `1.10` becomes `1.1`.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple, TypeAlias

Path: TypeAlias = tuple[str, ...]  # names from the outermost object inwards; empty: the whole value
# Takes a path and the JSON text of its value, and returns another text, or None to remove the member
Change: TypeAlias = Callable[[Path, str], str | None]

# Only the ends of values are needed, so no number is converted
_DECODER: Final = json.JSONDecoder(parse_int=str, parse_float=str)
_BLANKS: Final = re.compile(r"[ \t\r\n]*")


class _Item(NamedTuple):
    """One member of an object, or one row of an array: where it begins, and where its value is."""

    name: str
    begin: int
    value: int
    end: int


def read_path(text: str) -> Path:
    """The path that `text` writes with dots."""
    return tuple(text.split("."))


def values_at(document: object, paths: Sequence[Path]) -> Iterator[object]:
    """The values at the paths of a parsed document, in the order of the paths."""
    for path in paths:
        value: Any = document
        for name in path:
            value = value.get(name) if isinstance(value, dict) else None
        if value is not None:
            yield value


def edited(text: str, paths: Sequence[Path], change: Change) -> str | None:
    """A valid JSON text with the values at the paths changed, in the outermost object or in each row.

    A string that is the whole value, or a whole row, is changed too. None: nothing of it is left.
    """
    begin = _skip(text, 0)
    new = _edited(text, begin, (), paths, change)
    return None if new is None else f"{text[:begin]}{new}{text[_end(text, begin) :]}"


def is_hollow(text: str) -> bool:
    """Whether a JSON text has no values, only empty objects and arrays."""
    return not text.strip(" \t\r\n[]{},")


def _edited(text: str, at: int, path: Path, paths: Sequence[Path], change: Change) -> str | None:
    """The value that begins there, edited."""
    end = _end(text, at)
    if path in paths or (not path and text[at] == '"'):
        return change(path, text[at:end])
    if text[at] == "[" and not path:
        # Rows: objects with the members, or tokens
        return _rebuilt(
            text, at, end, [(row, _edited_row(text, row, paths, change)) for row in _rows(text, at)]
        )
    if text[at] != "{":
        return text[at:end]
    changed: list[tuple[_Item, str | None]] = []
    for member in _members(text, at):
        inner = (*path, member.name)
        concerned = any(other[: len(inner)] == inner for other in paths)
        old = text[member.value : member.end]
        changed.append((member, _edited(text, member.value, inner, paths, change) if concerned else old))
    return _rebuilt(text, at, end, changed)


def _edited_row(text: str, row: _Item, paths: Sequence[Path], change: Change) -> str | None:
    if text[row.value] == "[":
        return text[row.value : row.end]
    return _edited(text, row.value, (), paths, change)


def _rebuilt(text: str, begin: int, end: int, items: Sequence[tuple[_Item, str | None]]) -> str:
    """An object or array with these values of its items; an item without one is left out."""
    kept = [(item, value) for item, value in items if value is not None]
    if len(kept) < len(items):
        inside = ",".join(text[item.begin : item.value] + value for item, value in kept)
        return f"{text[begin]}{inside}{text[end - 1]}"
    pieces, at = [], begin
    for item, value in kept:
        pieces += [text[at : item.value], value]
        at = item.end
    return "".join([*pieces, text[at:end]])


def _members(text: str, at: int) -> Iterator[_Item]:
    """The members of the object that begins there, repeated names included."""
    at = _skip(text, at + 1)
    while text[at] != "}":
        name, after = _DECODER.raw_decode(text, at)
        value = _skip(text, _skip(text, after) + 1)  # after the colon
        end = _end(text, value)
        yield _Item(name, at, value, end)
        at = _next(text, end)


def _rows(text: str, at: int) -> Iterator[_Item]:
    at = _skip(text, at + 1)
    while text[at] != "]":
        end = _end(text, at)
        yield _Item("", at, at, end)
        at = _next(text, end)


def _next(text: str, at: int) -> int:
    """Where the next item begins, or its container ends."""
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _end(text: str, at: int) -> int:
    return _DECODER.raw_decode(text, at)[1]


def _skip(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return at if found is None else found.end()
