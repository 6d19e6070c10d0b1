"""Traces that the gateway starts: a traceparent for each request, and spans."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.http.headers import Header
from app.events import Observer
from app.tracing.context import new_trace


@dataclass(frozen=True, slots=True)
class Tracing:
    """How traces are handled."""

    new_trace: Callable[[Sequence[Header]], bytes] | None = (
        None  # None: clients' traces are relayed unchanged
    )
    observe: Observer | None = None
    close: Callable[[], None] = lambda: None  # may wait for a network


def open_tracing(traces: Literal["pass", "create", "otel"], version: str) -> Tracing:
    """The tracing of the setting `traces`."""
    if traces == "pass":
        return Tracing()
    if traces == "create":
        return Tracing(new_trace)
    from app.tracing.spans import open_spans  # noqa: PLC0415  the SDK is an optional dependency

    spans = open_spans(version)
    return Tracing(spans.new_trace, spans, spans.close)
