"""Names of the database in statements and in messages."""

import re
from typing import Final

_PLAIN: Final = re.compile(r"[a-z_][a-z0-9_]*").fullmatch


def quoted(name: str) -> str:
    """A name for a statement."""
    return '"' + name.replace('"', '""') + '"'


def shown(name: str) -> str:
    """A name for a message. A name may contain a terminal escape."""
    if _PLAIN(name):
        return name
    return quoted("".join(x if x.isprintable() else "\N{REPLACEMENT CHARACTER}" for x in name))
