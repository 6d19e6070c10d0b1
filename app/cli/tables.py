"""Tables in the output of verbs: columns with headings, times in UTC."""

from collections.abc import Sequence
from datetime import UTC, datetime

Row = Sequence[str]


def table(names: Row, rows: Sequence[Row]) -> list[str]:
    """The lines of a table."""
    lines = [names, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(names))]
    return ["  ".join(map(str.ljust, line, widths)).rstrip() for line in lines]


def minute(moment: datetime | None) -> str:
    return "-" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}Z"
