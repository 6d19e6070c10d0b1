"""OpenTelemetry spans from events: one for each request, with children for function calls and renewals.

Needs the extra `otel`. The SDK reads its own variables: OTEL_EXPORTER_OTLP_* for the destination,
OTEL_TRACES_SAMPLER for sampling, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES for the resource. A span is
created at the end of its request, with the id that was sent to the upstream.
"""

import time
from collections.abc import Mapping, Sequence
from threading import Thread
from typing import Final

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)
from opentelemetry.util.types import AttributeValue

from app.core.http.headers import Header
from app.core.http.traces import inbound, span_id, trace_id
from app.events import (
    Event,
    FunctionCalled,
    OptionsHandled,
    RelayAborted,
    RequestRejected,
    RequestRelayed,
    SessionRenewed,
)
from app.tracing.context import new_id

_SAMPLED: Final = TraceFlags.SAMPLED
_SERVER_ERROR: Final = 500
_END_SECONDS: Final = 2.0
_NANOSECONDS: Final = 1_000_000_000

Attributes = Mapping[str, AttributeValue | None]  # None: left out
Traced = RequestRelayed | RequestRejected | OptionsHandled | FunctionCalled


def open_spans(version: str) -> "Spans":
    """Configured by the SDK's variables."""
    provider = TracerProvider(shutdown_on_exit=False)
    return Spans(BatchSpanProcessor(OTLPSpanExporter()), provider, version)


class Spans:
    """Starts traces, and makes spans of events. Uses the sampler and the resource of `provider`."""

    def __init__(self, processor: SpanProcessor, provider: TracerProvider, version: str) -> None:
        self._processor = processor
        self._sampler = provider.sampler
        self._resource = Resource({SERVICE_NAME: "postgate"}).merge(_named(provider.resource))
        self._scope = InstrumentationScope("postgate", version)

    def new_trace(self, headers: Sequence[Header]) -> bytes:
        """The context for the upstream: a span of the client's trace, or of a new one."""
        parent = inbound(headers)
        trace = int(trace_id(parent), 16) if parent else new_id(128)
        result = self._sampler.should_sample(_remote(parent), trace, "request", SpanKind.SERVER)
        is_sampled = result.decision is Decision.RECORD_AND_SAMPLE
        return b"00-%032x-%016x-%02x" % (trace, new_id(64), _SAMPLED if is_sampled else 0)

    def __call__(self, event: Event) -> None:
        match event:
            case RequestRelayed():
                self._relayed(event, "")
            case RelayAborted(so_far=RequestRelayed() as so_far):
                self._relayed(so_far, event.reason)
            case RequestRejected():
                self._rejected(event)
            case OptionsHandled():
                attributes = {
                    **_request_attributes(event.client, event.path),
                    "http.request.method": "OPTIONS",
                }
                self._server("OPTIONS", event, attributes)
            case FunctionCalled():
                self._called(event)
            case SessionRenewed():
                attributes = {"postgate.renewed": event.is_renewed}
                self._child("renew session", event.trace, event.seconds, attributes)
            case _:
                pass

    def close(self) -> None:
        """Export the remaining spans, for _END_SECONDS at most: the exporter would continue its attempts."""
        ending = Thread(target=self._processor.shutdown, name="spans", daemon=True)
        ending.start()
        ending.join(_END_SECONDS)

    def _relayed(self, event: RequestRelayed, aborted: str) -> None:
        method = event.method.decode("latin-1")
        attributes: dict[str, AttributeValue | None] = {
            **_request_attributes(event.client, event.path),
            "http.request.method": method,
            "http.request.body.size": event.request_bytes,
            "http.response.status_code": event.status or None,
            "http.route": event.route,
            "error.type": aborted or None,
            "enduser.id": event.subject,
            "session.id": event.session,
            "postgate.role": event.role,
            "postgate.request_id": event.request_id.decode("latin-1"),
            "postgate.upstream_seconds": event.upstream_seconds,
        }
        failed = bool(aborted) or event.status >= _SERVER_ERROR
        self._server(f"{method} {event.route}", event, attributes, failed=failed)

    def _rejected(self, event: RequestRejected) -> None:
        method = event.method.decode("latin-1")
        attributes: dict[str, AttributeValue | None] = {
            **_request_attributes(event.client, event.path),
            "http.request.method": method,
            "http.response.status_code": event.status,
            "error.type": event.code,
            "postgate.request_id": event.request_id.decode("latin-1"),
        }
        self._server(f"{method} rejected", event, attributes, failed=event.status >= _SERVER_ERROR)

    def _called(self, event: FunctionCalled) -> None:
        attributes: dict[str, AttributeValue | None] = {
            **_request_attributes(event.client, event.path),
            "http.request.method": "POST",
            "http.response.status_code": event.status,
            "postgate.request_id": event.request_id.decode("latin-1"),
        }
        self._child(event.name, event.trace, event.seconds, {"db.system.name": "postgresql"})
        self._server(f"POST {event.name}", event, attributes, failed=event.status >= _SERVER_ERROR)

    def _child(self, name: str, trace: bytes, seconds: float, attributes: Attributes) -> None:
        own = b"%b%016x%b" % (trace[:36], new_id(64), trace[52:])
        self._end(own, trace, name=name, seconds=seconds, attributes=attributes, kind=SpanKind.CLIENT)

    def _server(self, name: str, event: Traced, attributes: Attributes, *, failed: bool = False) -> None:
        seconds = getattr(event, "seconds", 0.0)
        kind = SpanKind.SERVER
        self._end(
            event.trace,
            event.parent,
            name=name,
            seconds=seconds,
            attributes=attributes,
            kind=kind,
            failed=failed,
        )

    def _end(
        self,
        own: bytes,
        parent: bytes,
        *,
        name: str,
        seconds: float,
        attributes: Attributes,
        kind: SpanKind,
        failed: bool = False,
    ) -> None:
        context = _context(own, is_remote=False)
        if context is None or not context.trace_flags.sampled:
            return
        ended = time.time_ns()
        self._processor.on_end(
            ReadableSpan(
                name,
                context,
                parent=_context(parent, is_remote=kind is SpanKind.SERVER),
                resource=self._resource,
                attributes={key: value for key, value in attributes.items() if value is not None},
                kind=kind,
                status=Status(StatusCode.ERROR) if failed else Status(),
                start_time=ended - int(seconds * _NANOSECONDS),
                end_time=ended,
                instrumentation_scope=self._scope,
            )
        )


def _named(resource: Resource) -> Resource:
    """The resource without the SDK's default name."""
    name = str(resource.attributes.get(SERVICE_NAME, ""))
    if not name.startswith("unknown_service"):
        return resource
    return Resource({key: value for key, value in resource.attributes.items() if key != SERVICE_NAME})


def _request_attributes(client: str, path: bytes) -> dict[str, AttributeValue | None]:
    return {"client.address": client or None, "url.path": path.decode("latin-1")}


def _context(traceparent: bytes, *, is_remote: bool) -> SpanContext | None:
    if not traceparent:
        return None
    return SpanContext(
        int(trace_id(traceparent), 16),
        int(span_id(traceparent), 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(int(traceparent[53:55], 16)),
        trace_state=TraceState(),
    )


def _remote(traceparent: bytes) -> Context:
    context = _context(traceparent, is_remote=True)
    return Context() if context is None else set_span_in_context(NonRecordingSpan(context), Context())
