"""Traces through the gateway: handed on, begun, or recorded as OpenTelemetry spans."""

from dataclasses import dataclass

import pytest
from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.upstream import OK
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, TraceIdRatioBased
from opentelemetry.trace import SpanKind, StatusCode, format_span_id, format_trace_id

from app.core.http.traces import is_traceparent, span_id, trace_id
from app.events import FunctionCalled, RelayAborted, RequestRejected, RequestRelayed, SessionRenewed
from app.tracing import Tracing
from app.tracing.spans import Spans

TRACE = b"0af7651916cd43dd8448eb211c80319c"
SAMPLED = b"00-" + TRACE + b"-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-1] + b"0"
OTHER = b"00-11111111111111111111111111111111-2222222222222222-01"


def sent(lane: Lane) -> list[list[bytes]]:
    """The traceparents that each request had upstream."""
    return [received.head.values(b"traceparent") for received in lane.upstream.requests]


def ask(lane: Lane, *traceparents: bytes | None, tracestate: str = "a=1") -> None:
    """A request for each, all on one connection."""
    client = lane.client()
    with lane.upstream.serving():
        for value in traceparents:
            fields = [f"traceparent: {value.decode()}", f"tracestate: {tracestate}"] if value else []
            assert client.ask("GET", "/rest/items", fields).status == 200


def test_a_good_trace_passes_and_no_other_is_made(lane: Lane) -> None:
    ask(lane, SAMPLED, SAMPLED, OTHER, None, None, b"bad")
    assert sent(lane) == [[SAMPLED], [SAMPLED], [OTHER], [], [], []]
    states = [received.head.values(b"tracestate") for received in lane.upstream.requests]
    assert states == [[b"a=1"], [b"a=1"], [b"a=1"], [], [], []]
    told = [event.trace for event in lane.gateway.events_of(RequestRelayed)]
    assert told == [SAMPLED, SAMPLED, OTHER, b"", b"", b""]


def test_where_one_is_wanted_each_request_begins_its_own_and_goes_on_with_the_clients(
    lane_with: LaneWith,
) -> None:
    lane = lane_with(traces="create")
    ask(lane, SAMPLED, SAMPLED, None, None, None, b"bad")
    values = sent(lane)
    assert values[:2] == [[SAMPLED], [SAMPLED]]
    made = [value for (value,) in values[2:]]
    assert all(is_traceparent(value) and value.endswith(b"-00") for value in made)
    assert len({trace_id(value) for value in made}) == len({span_id(value) for value in made}) == 4
    assert [event.trace for event in lane.gateway.events_of(RequestRelayed)] == [SAMPLED, SAMPLED, *made]


def test_a_refusal_knows_its_trace(lane_with: LaneWith) -> None:
    lane = lane_with(traces="create")
    client = lane.client()
    for _ in range(3):
        assert client.ask("GET", "/rest/items", token=None).status == 401
    traces = [event.trace for event in lane.gateway.events_of(RequestRejected)]
    assert all(is_traceparent(value) for value in traces)
    assert len(set(traces)) == 3


def test_a_refusal_knows_the_clients_trace(lane: Lane) -> None:
    client = lane.client()
    for fields in ([f"traceparent: {SAMPLED.decode()}"], ["traceparent: bad"], []):
        assert client.ask("GET", "/rest/items", fields, token=None).status == 401
    assert [event.trace for event in lane.gateway.events_of(RequestRejected)] == [SAMPLED, b"", b""]


def test_an_upstream_that_fails_is_told_with_the_trace_that_it_got(lane_with: LaneWith) -> None:
    """Of a head that is known, too: most of them are."""
    lane = lane_with(traces="create")
    ask(lane, None, None, None)
    lane.upstream.close()
    client = lane.client()
    for _ in range(2):
        assert client.ask("GET", "/rest/items").status == 502
    traces = [event.trace for event in lane.gateway.events_of(RequestRejected)]
    assert all(is_traceparent(value) for value in traces)
    assert len(set(traces)) == 2


@dataclass
class Recorded:
    """A gateway whose spans end up here."""

    lane: Lane
    exporter: InMemorySpanExporter

    def spans(self, count: int) -> tuple[ReadableSpan, ...]:
        wait_until(lambda: len(self.exporter.get_finished_spans()) >= count, "the spans")
        return self.exporter.get_finished_spans()


def spans_of(sampler: Sampler | None = None) -> tuple[Spans, InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    return Spans(SimpleSpanProcessor(exporter), provider, "1.2.3"), exporter


@pytest.fixture
def recorded(lane_with: LaneWith) -> Recorded:
    spans, exporter = spans_of()
    return Recorded(lane_with(tracing=Tracing(spans.new_trace, spans, spans.close)), exporter)


def of(span: ReadableSpan) -> tuple[bytes, bytes, bytes]:
    """Its trace, its own id, its parent's."""
    assert span.context is not None
    parent = format_span_id(span.parent.span_id).encode() if span.parent is not None else b""
    return (
        format_trace_id(span.context.trace_id).encode(),
        format_span_id(span.context.span_id).encode(),
        parent,
    )


def test_a_request_is_a_span_between_its_clients_and_its_upstreams(recorded: Recorded) -> None:
    ask(recorded.lane, SAMPLED, None)
    child, root = recorded.spans(2)
    for span, (traceparent,) in zip((child, root), sent(recorded.lane), strict=True):
        assert of(span)[:2] == (trace_id(traceparent), span_id(traceparent))
        assert traceparent.endswith(b"-01")
    assert of(child)[::2] == (TRACE, span_id(SAMPLED))
    assert of(root)[0] != TRACE
    assert root.parent is None
    assert child.parent is not None
    assert child.parent.is_remote


def test_a_span_says_who_asked_what_and_what_came_of_it(recorded: Recorded) -> None:
    ask(recorded.lane, None)
    (span,) = recorded.spans(1)
    (event,) = recorded.lane.gateway.events_of(RequestRelayed)
    told = dict(span.attributes or {})
    assert 0 < float(str(told.pop("postgate.upstream_seconds"))) < event.seconds
    assert told == {
        "client.address": "127.0.0.1",
        "enduser.id": "u1",
        "http.request.body.size": 0,
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "rest",
        "postgate.request_id": event.request_id.decode(),
        "postgate.role": "web",
        "url.path": "/rest/items",
    }
    assert (span.name, span.kind) == ("GET rest", SpanKind.SERVER)
    assert span.status.status_code is StatusCode.UNSET
    assert span.start_time is not None
    assert span.end_time is not None
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(event.seconds, abs=1e-6)
    assert span.resource.attributes["service.name"] == "postgate"


def test_what_is_not_sampled_goes_on_and_is_not_recorded(recorded: Recorded) -> None:
    ask(recorded.lane, UNSAMPLED, SAMPLED)
    (span,) = recorded.spans(1)
    assert of(span)[2] == span_id(SAMPLED)
    (unsampled,), (sampled,) = sent(recorded.lane)
    assert (trace_id(unsampled), unsampled[-2:], sampled[-2:]) == (TRACE, b"00", b"01")
    assert span_id(unsampled) != span_id(UNSAMPLED)


def test_the_sampler_decides_for_traces_that_begin_here(lane_with: LaneWith) -> None:
    spans, exporter = spans_of(ParentBased(TraceIdRatioBased(0.5)))
    lane = lane_with(tracing=Tracing(spans.new_trace, spans, spans.close))
    ask(lane, *[None] * 40, SAMPLED, UNSAMPLED)
    sampled = [value for (value,) in sent(lane) if value.endswith(b"01")]
    wait_until(lambda: len(exporter.get_finished_spans()) == len(sampled), "a span for each of them")
    assert 1 < len(sampled) < 41
    off, nothing = spans_of(ALWAYS_OFF)
    assert off.new_trace([]).endswith(b"-00")
    assert not nothing.get_finished_spans()


def test_a_refusal_and_a_preflight_and_a_broken_relay_are_spans_as_well(recorded: Recorded) -> None:
    lane = recorded.lane
    client = lane.client()
    assert client.ask("GET", "/rest/items?secret", token=None).status == 401
    assert client.ask("OPTIONS", "/rpc/login").status == 204
    gone, upstream = lane.relaying()
    upstream.request()
    gone.reset()
    lane.gateway.wait_event(RelayAborted)
    traced = ["Traceparent: " + SAMPLED.decode()]
    assert client.ask("GET", "/rest/items", traced, token=None).status == 401
    refused, options, aborted, child = recorded.spans(4)
    assert of(child)[::2] == (TRACE, span_id(SAMPLED))
    assert (refused.name, dict(refused.attributes or {})["error.type"]) == ("GET rejected", "GW200")
    assert options.name == "OPTIONS"
    assert (aborted.name, aborted.status.status_code) == ("GET rest", StatusCode.ERROR)
    assert dict(aborted.attributes or {})["error.type"] == "client gone"
    assert not [span for span in (refused, options, aborted) if "secret" in span.to_json()]


def test_what_a_request_waits_for_is_a_child_of_it() -> None:
    spans, exporter = spans_of()
    trace = spans.new_trace([(b"traceparent", SAMPLED)])
    spans(SessionRenewed(b"id-1", is_renewed=True, seconds=0.25, trace=trace))
    spans(FunctionCalled(b"id-1", "login", 204, 0.5, "192.0.2.7", b"/rpc/login", trace=trace, parent=SAMPLED))
    renewal, call, server = exporter.get_finished_spans()
    assert [span.name for span in (renewal, call, server)] == ["renew session", "login", "POST login"]
    assert of(server) == (TRACE, span_id(trace), span_id(SAMPLED))
    for child in (renewal, call):
        assert of(child)[::2] == (TRACE, span_id(trace))
        assert of(child)[1] not in {span_id(trace), span_id(SAMPLED)}
    assert dict(call.attributes or {}) == {"db.system.name": "postgresql"}


def test_an_event_without_a_trace_makes_no_span() -> None:
    spans, exporter = spans_of()
    spans(RequestRejected(b"id-1", b"GET", 400, "GW100", ""))
    spans(RelayAborted(b"id-1", "rest", "client gone"))
    assert not exporter.get_finished_spans()


def test_the_head_of_an_otel_request_is_repeated_under_a_span_of_its_own(recorded: Recorded) -> None:
    client = recorded.lane.client()
    with recorded.lane.upstream.serving():
        for _ in range(3):
            client.send(request("GET", "/rest/items", [f"traceparent: {SAMPLED.decode()}"]))
            assert client.answer().status == 200
    spans = recorded.spans(3)
    assert len({of(span)[1] for span in spans}) == 3
    assert {of(span)[::2] for span in spans} == {(TRACE, span_id(SAMPLED))}
    assert [values[0] for values in sent(recorded.lane)] == [b"00-%b-%b-01" % of(span)[:2] for span in spans]


def test_streams_end_before_their_span_does(recorded: Recorded) -> None:
    client, upstream = recorded.lane.relaying()
    upstream.request()
    upstream.send(OK[:-1])
    reading = client.answering()
    reading.head()
    assert not recorded.exporter.get_finished_spans()
    upstream.send(OK[-1:])
    reading.whole()
    assert len(recorded.spans(1)) == 1
