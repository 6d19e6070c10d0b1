"""The observers of events, in this order: metrics, log, spans."""

from collections.abc import Iterable

from app.build import VERSION
from app.core.http.forwarding import Unreadable
from app.events import Event, ForwardingUnreadable, Observer, RequestRelayed
from app.logs import Log, LogLines, open_log
from app.metrics import Numbers
from app.proxy.gateway import Relayed
from app.settings import Settings
from app.tracing import Tracing, open_tracing


class Observers:
    """Emits each event to all observers."""

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

    def report(self, unread: Iterable[Unreadable]) -> None:
        """Emit an event for each forwarding field of a trusted proxy that cannot be read."""
        for found in unread:
            self.emit(ForwardingUnreadable(*found))

    def relayed(self) -> Relayed | None:
        """The observer of relayed requests; None without one: the metrics count them without events."""
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
    """The observers of the settings. `observer` or `log` replaces the log, `tracing` the spans."""
    lines = LogLines(
        log or open_log(settings.log_format),
        requests=settings.log_requests,
        lines_per_second=settings.log_lines_per_second,
    )
    return Observers(numbers, lines, tracing or open_tracing(settings.traces, VERSION), observer)
