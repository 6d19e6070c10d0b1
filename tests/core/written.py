"""A log that is kept in memory: what would have been written, line by line."""

import json
from typing import Any

from typing_extensions import override

from app.events import Event
from app.logs import LineWriter, Log, LogLines


class Kept(LineWriter):
    """Keeps what it is given."""

    def __init__(self) -> None:
        super().__init__(-1)
        self.data = b""
        self.is_full = False

    @property
    @override
    def has_room(self) -> bool:
        return not self.is_full

    @override
    def write(self, line: bytes) -> None:
        self.data += line

    @override
    def flush(self) -> None:
        pass


class Written:
    """Events as lines. `seconds` is what the clock says."""

    def __init__(self, *, as_json: bool = True, requests: bool = True, lines_per_second: int = 20) -> None:
        self.seconds = 0.0
        self.kept = Kept()
        self.log = Log(self.kept, as_json=as_json)
        self.lines = LogLines(
            self.log, requests=requests, lines_per_second=lines_per_second, clock=lambda: self.seconds
        )

    @property
    def text(self) -> str:
        return self.kept.data.decode("ascii")

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Without their times."""
        read = [json.loads(line) for line in self.text.splitlines()]
        return [{name: value for name, value in line.items() if name != "time"} for line in read]

    def tell(self, *events: Event) -> "Written":
        for event in events:
            self.lines(event)
        return self


def line_of(event: Event) -> dict[str, Any]:
    """The one line that an event makes."""
    (line,) = Written().tell(event).objects
    return line
