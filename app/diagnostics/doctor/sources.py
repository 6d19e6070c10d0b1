"""Quoted text and calls in the source of a function.

Source is split into comments, quoted text and code as PostgreSQL's scanner does (manual, section 4.1). The
rest is heuristics; docs/doctor.md lists the rules that use it.
"""

import re
from typing import Final, Protocol

GAP: Final = "\0"  # code between two pieces of quoted text
END: Final = "\1"  # the end of a statement

# An unclosed quote or comment ends with the source, so each character is read once (linear time)
_PIECES: Final = re.compile(
    r"""
    (?P<comment>--[^\n]*|/\*.*?(?:\*/|\Z))
    | '(?P<text>(?:[^']|'')*+)(?:'|\Z)
    | (?P<tag>\$(?:[A-Za-z_]\w*+)?\$)(?P<dollars>.*?)(?:(?P=tag)|\Z)
    | (?P<name>"(?:[^"]|"")*+(?:"|\Z))
    | (?P<end>;)
    """,
    re.VERBOSE | re.DOTALL,
)
_SETTING: Final = re.compile(r"(?<![\w.])[A-Za-z_]\w*+(?:\.[A-Za-z_]\w*+)++(?![\w.])").findall
_FILLED: Final = re.compile(r"\binto\s++[\w.]++(?:\s++as\s++\w++)?+\s*+\(", re.IGNORECASE).sub  # a table
_CALLS: Final = re.compile(r"(?<!\w)([A-Za-z_]\w*+)\s*+\(").findall


class Source(Protocol):
    """A function with its source."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def is_trigger(self) -> bool: ...
    @property
    def where(self) -> str: ...


def code(source: str) -> str:
    """The source without comments; quoted text stays."""
    return _PIECES.sub(lambda piece: " " if piece["comment"] else piece[0], source)


def quoted(source: str) -> str:
    """All quoted text, concatenated: GAP in place of code, END at the end of a statement."""
    parts: list[str] = []
    last = 0
    for piece in _PIECES.finditer(source):
        if source[last : piece.start()].strip(" \t\r\n|"):  # `||` joins two texts
            parts.append(GAP)
        last = piece.end()
        if piece["text"] is not None:
            parts.append(piece["text"].replace("''", "'"))
        elif piece["dollars"] is not None:
            parts.append(piece["dollars"])
        elif piece["end"]:
            parts.append(END)
        elif piece["name"]:
            parts.append(GAP)
    return "".join(parts)


def calls(source: str) -> frozenset[str]:
    """The names before a parenthesis, without schemas; not tables before a list of columns."""
    return frozenset(name.lower() for name in _CALLS(_FILLED("; (", _PIECES.sub(_without_text, source))))


def settings(source: str) -> frozenset[str]:
    """The quoted texts that may be names of settings: words joined by dots."""
    return frozenset(_SETTING(quoted(source)))


def _without_text(piece: re.Match[str]) -> str:
    return piece[0].strip('"') if piece["name"] else " "
