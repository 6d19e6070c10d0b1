"""One finding of a check: a level, a sentence and a fix.

A fix is either SQL that can be run as printed, ends with a semicolon and makes nothing less safe, or an
instruction that ends with a full stop. Texts may name roles, schemas and functions, and never contain a URL,
a password or a secret.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_SKEW_SECONDS = 5

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*").fullmatch
# Key words that are names only in quotes (pg_get_keywords: R and T), as of PostgreSQL 18
_KEY_WORDS = (
    "all analyse analyze and any array as asc asymmetric authorization binary both case cast check "
    "collate collation column concurrently constraint create cross current_catalog current_date "
    "current_role current_schema current_time current_timestamp current_user default deferrable desc "
    "distinct do else end except false fetch for foreign freeze from full grant group having ilike in "
    "initially inner intersect into is isnull join lateral leading left like limit localtime "
    "localtimestamp natural not notnull null offset on only or order outer overlaps placing primary "
    "references returning right select session_user similar some symmetric system_user table tablesample "
    "then to trailing true union unique user using variadic verbose when where window with"
)
_RESERVED = frozenset(_KEY_WORDS.split())


class Level(StrEnum):
    OK = "ok"
    NOT_CHECKED = "not checked"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One entry of the report."""

    level: Level
    text: str
    fix: str = ""

    @property
    def sql(self) -> str:
        """The statements of `fix`; empty if it is an instruction in words."""
        return self.fix if self.fix.endswith(";") else ""


def ok(text: str) -> Finding:
    return Finding(Level.OK, text)


def not_checked(text: str, fix: str = "") -> Finding:
    return Finding(Level.NOT_CHECKED, text, fix)


def warning(text: str, fix: str) -> Finding:
    return Finding(Level.WARNING, text, fix)


def problem(text: str, fix: str) -> Finding:
    return Finding(Level.PROBLEM, text, fix)


def judge_clock(server: str, ahead_seconds: float) -> list[Finding]:
    """A warning if a server's clock is too far ahead of the gateway's, or behind it (negative)."""
    if abs(ahead_seconds) <= MAX_SKEW_SECONDS:
        return []
    direction = "ahead of" if ahead_seconds > 0 else "behind"
    return [
        warning(
            f"The clock of {server} is {abs(ahead_seconds):.0f} s {direction} the gateway's: tokens will be "
            "rejected as expired or as issued in the future.",
            "Synchronize the clocks of all machines (NTP).",
        )
    ]


def sql_name(name: str) -> str:
    """A name as SQL writes it, quoted if necessary."""
    if _PLAIN_NAME(name) and name not in _RESERVED:
        return name
    quoted = name.replace('"', '""')
    if name.isprintable():
        return f'"{quoted}"'
    # Control and invisible characters as Unicode escapes (PostgreSQL manual, section 4.1.2.3)
    letters = ("\\\\" if letter == "\\" else letter for letter in quoted)
    return 'U&"' + "".join(x if x.isprintable() else f"\\+{ord(x):06x}" for x in letters) + '"'
