"""Who is told of events: the numbers first, then whoever watches. Part of the composition root."""

from collections.abc import Callable

from app.events import Event, Observer, RequestRelayed
from app.logs import LogLines
from app.metrics import Numbers


class Watching:
    """The numbers, and the observers beside them."""

    def __init__(self, numbers: Numbers, watchers: list[Observer]) -> None:
        self._numbers = numbers
        self._watchers = watchers

    def observe(self, event: Event) -> None:
        self._numbers.observe(event)
        for watch in self._watchers:
            watch(event)

    def relayed(self) -> Callable[[RequestRelayed], None]:
        """What a relayed request tells: just the numbers, where nobody else wants to know of each of them."""
        watchers = [watch for watch in self._watchers if not isinstance(watch, LogLines) or watch.requests]
        if not watchers:
            return self._numbers.count_relayed

        def tell(event: RequestRelayed) -> None:
            self._numbers.count_relayed(event)
            for watch in watchers:
                watch(event)

        return tell
