"""One piece of advice."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One line of settings; a note has no variable and no value."""

    variable: str
    value: str
    reason: str
    fix: str = ""  # of a note: what the owner can do; `postgate check` warns until it is done


def note(reason: str, fix: str = "") -> Suggestion:
    return Suggestion("", "", reason, fix)
