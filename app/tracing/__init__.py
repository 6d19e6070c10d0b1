"""Traces that the gateway begins itself: a traceparent for each request, and spans for who wants them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from app.core.http.headers import Header
from app.events import Observer
from app.tracing.context import new_trace


@dataclass(frozen=True, slots=True)
class Tracing:
    """What is to be done about traces."""

    new_trace: Callable[[Sequence[Header]], bytes] | None = None  # None: clients' traces pass as they are
    observe: Observer | None = None
    close: Callable[[], None] = lambda: None  # may wait for a network


def open_tracing(traces: Literal["pass", "create", "otel"], version: str) -> Tracing:
    """As the setting says."""
    if traces == "pass":
        return Tracing()
    if traces == "create":
        return Tracing(new_trace)
    from app.tracing.spans import open_spans  # noqa: PLC0415  the SDK is an optional dependency

    spans = open_spans(version)
    return Tracing(spans.new_trace, spans, spans.close)
