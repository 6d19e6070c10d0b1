"""The observers of events: the numbers first, then the log and the spans."""

from collections.abc import Iterable

from app.build import VERSION
from app.core.http.forwarding import Unread
from app.events import Event, ForwardingUnreadable, Observer, RequestRelayed
from app.logs import Log, LogLines, open_log
from app.metrics import Numbers
from app.proxy.gateway import Relayed
from app.settings import Settings
from app.tracing import Tracing, open_tracing


class Observers:
    """Everything that events are emitted to."""

    def __init__(
        self, numbers: Numbers, lines: LogLines, tracing: Tracing, instead_of_log: Observer | None = None
    ) -> None:
        self.numbers = numbers
        self.lines = lines
        self.tracing = tracing
        spans = [tracing.observe] if tracing.observe else []
        self._others: list[Observer] = [instead_of_log or lines, *spans]

    def emit(self, event: Event) -> None:
        self.numbers.observe(event)
        for observe in self._others:
            observe(event)

    def report(self, unread: Iterable[Unread]) -> None:
        """Emit an event for each forwarding field of a trusted proxy that cannot be read."""
        for found in unread:
            self.emit(ForwardingUnreadable(*found))

    def relayed(self) -> Relayed | None:
        """The observer of each relayed request, if there is one: the numbers count without events."""
        observers: list[Relayed] = [
            observe.relayed if isinstance(observe, LogLines) else observe
            for observe in self._others
            if not isinstance(observe, LogLines) or observe.requests
        ]
        if len(observers) <= 1:
            return observers[0] if observers else None

        def emit(event: RequestRelayed) -> None:
            for observe in observers:
                observe(event)

        return emit


def open_observers(
    settings: Settings,
    numbers: Numbers,
    *,
    observer: Observer | None = None,
    log: Log | None = None,
    tracing: Tracing | None = None,
) -> Observers:
    """The observers that the settings ask for. The arguments stand in for the log and for spans."""
    lines = LogLines(
        log or open_log(settings.log_format),
        requests=settings.log_requests,
        lines_per_second=settings.log_lines_per_second,
    )
    return Observers(numbers, lines, tracing or open_tracing(settings.traces, VERSION), observer)
