"""Who is told of events: the numbers first, then whoever watches. Part of the composition root."""

from collections.abc import Iterable

from app.core.http.forwarding import Unread
from app.events import Event, ForwardingUnread, Observer, RequestRelayed
from app.logs import LogLines
from app.metrics import Numbers
from app.proxy.gateway import Relayed


class Watching:
    """The numbers, and the observers beside them."""

    def __init__(self, numbers: Numbers, watchers: list[Observer]) -> None:
        self._numbers = numbers
        self._watchers = watchers

    def observe(self, event: Event) -> None:
        self._numbers.observe(event)
        for watch in self._watchers:
            watch(event)

    def report(self, unread: Iterable[Unread]) -> None:
        """Report what trusted proxies have sent in vain."""
        for found in unread:
            self.observe(ForwardingUnread(*found))

    def relayed(self) -> Relayed | None:
        """Whom each relayed request is told; it is counted without that."""
        watchers: list[Relayed] = [
            watch.relayed if isinstance(watch, LogLines) else watch
            for watch in self._watchers
            if not isinstance(watch, LogLines) or watch.requests
        ]
        if len(watchers) <= 1:
            return watchers[0] if watchers else None

        def tell(event: RequestRelayed) -> None:
            for watch in watchers:
                watch(event)

        return tell
