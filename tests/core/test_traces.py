"""Trace context (W3C): a good one goes on as it came, a bad one does not, the gateway's own stands alone."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.core.http.traces import is_traceparent, span_id, trace_id
from app.core.known_heads import admit_known, known_head
from app.tracing import Tracing, open_tracing
from app.tracing.context import new_trace

from .builders import NOW, decide, gateway, request, session
from .properties import tried

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{SPAN}-01"
OWN = b"00-11111111111111111111111111111111-2222222222222222-01"
LINES = (b"\r\ntraceparent: ", b"\r\ntracestate: ")

# The cases of the working group's own test suite (w3c/trace-context, test/test.py), and some more
GOOD_VALUES = [
    GOOD,
    f"00-{TRACE}-{SPAN}-00",
    f"00-{TRACE}-{SPAN}-ff",
    f"cc-{TRACE}-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
    f"01-{TRACE}-{SPAN}-01-",
]
BAD_VALUES = [
    "",
    "foo",
    TRACE,
    f"00-{TRACE}-{SPAN}",
    f"00-{TRACE}-{SPAN}-0",
    f"00-{TRACE}-{SPAN}-001",
    f"00-{TRACE}-{SPAN}-01-",
    f"00-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
    f"00-{TRACE}-{SPAN}-01.",
    f"cc-{TRACE}-{SPAN}-01.what-the-future-will-be-like",
    f"cc-{TRACE}-{SPAN}-01-a b",
    f"ff-{TRACE}-{SPAN}-01",
    f"0-{TRACE}-{SPAN}-01",
    f"000-{TRACE}-{SPAN}-01",
    f".0-{TRACE}-{SPAN}-01",
    f"00-{'0' * 32}-{SPAN}-01",
    f"00-{TRACE}-{'0' * 16}-01",
    f"00-{TRACE.upper()}-{SPAN}-01",
    f"00-{TRACE}-{SPAN.upper()}-01",
    f"00-{TRACE}-{SPAN}-0A",
    f"00-{TRACE[:-1]}-{SPAN}-01",
    f"00-{TRACE}-{SPAN[:-1]}-01",
    f"00-{TRACE[:-1]}.-{SPAN}-01",
    f"00_{TRACE}_{SPAN}_01",
    f"{GOOD}\n",
    f" {GOOD}",
    f"{GOOD}, {GOOD}",
]


@pytest.mark.parametrize("value", GOOD_VALUES)
def test_a_good_context_goes_on_as_it_came(value: str) -> None:
    found = decide(
        "GET /rest/items", session(), f"Traceparent: {value}", "TraceState: a=1", "tracestate: b=2"
    )
    assert b"\r\ntraceparent: %b\r\n" % value.encode() in found.head
    assert b"\r\ntracestate: a=1\r\ntracestate: b=2\r\n" in found.head
    assert (found.trace, found.parent) == (value.encode(), b"")


@pytest.mark.parametrize("value", BAD_VALUES)
def test_a_bad_context_ends_here_and_its_state_with_it(value: str) -> None:
    assert not is_traceparent(value.encode())
    if value.strip() == value:  # a parser trims the others
        found = decide(
            "GET /rest/items", session(), f"traceparent: {value}", "tracestate: a=1", "accept: b/c"
        )
        assert not [line for line in LINES if line in found.head]
        assert b"\r\naccept: b/c\r\n" in found.head
        assert found.trace == b""


def test_two_contexts_are_none() -> None:
    other = GOOD.replace(TRACE[0], "f", 1)
    for values in ((GOOD, other), (GOOD, GOOD), (GOOD, "x"), ("x", GOOD), (GOOD, other, GOOD)):
        found = decide("GET /rest/items", session(), *(f"traceparent: {value}" for value in values))
        assert not [line for line in LINES if line in found.head]
        assert found.trace == b""


def test_a_state_without_its_parent_ends_here() -> None:
    assert b"tracestate" not in decide("GET /rest/items", session(), "tracestate: a=1").head


def test_the_gateways_own_context_stands_in_the_place_of_the_clients() -> None:
    found = decide("GET /rest/items", session(), f"traceparent: {GOOD}", "tracestate: a=1", trace=OWN)
    assert re.findall(rb"\r\ntraceparent: ([^\r]*)", found.head) == [OWN]
    assert b"\r\ntracestate: a=1\r\n" in found.head
    assert (found.trace, found.parent) == (OWN, GOOD.encode())


@pytest.mark.parametrize("fields", [(), ("traceparent: x", "tracestate: a=1")], ids=["none", "bad"])
def test_the_gateways_own_context_begins_a_trace(fields: tuple[str, ...]) -> None:
    found = decide("GET /rest/items", session(), *fields, trace=OWN)
    assert found.head.count(b"\r\nX-Request-Id: id-1\r\ntraceparent: %b\r\n" % OWN) == 1
    assert found.head.count(b"trace") == 1
    assert (found.trace, found.parent) == (OWN, b"")


def test_the_lanes_without_an_upstream_know_it_too() -> None:
    for line, fields in (
        ("POST /rpc/login", ()),
        ("OPTIONS /rest/items", ("Origin: https://app.test", "Access-Control-Request-Method: GET")),
    ):
        found = decide(line, f"traceparent: {GOOD}", *fields, trace=OWN)
        assert (found.trace, found.parent, found.path) == (
            OWN,
            GOOD.encode(),
            line.encode().partition(b" ")[2],
        )


values = st.sampled_from(["", f"traceparent: {GOOD}", "traceparent: x"])


@tried
@given(values, st.sampled_from(["", "tracestate: a=1"]), st.booleans())
def test_a_repeat_goes_on_as_the_long_way_does(parent: str, state: str, own: bool) -> None:  # noqa: FBT001
    fields = [field for field in (parent, state) if field]
    first = request("GET /rest/items?a=1", session(), *fields, trace=b"00-" + b"1" * 52 if own else b"")
    lines = "".join(f"\r\n{name.decode()}: {value.decode()}" for name, value in first.headers)
    data = f"GET /rest/items?a=1 HTTP/1.1{lines}\r\n\r\n".encode()
    earlier = known_head(first, gateway().decide(first, NOW), data)
    assert earlier is not None
    second = first._replace(request_id=b"id-2", trace=OWN if own else b"")
    short = admit_known(gateway(), earlier, data, second.peer, b"id-2", NOW, second.trace)
    assert short == gateway().decide(second, NOW)


def test_a_made_context_is_good_and_of_nobody_else() -> None:
    made = [new_trace([(b"accept", b"a/b"), (b"traceparent", b"x")]) for _ in range(100)]
    assert all(is_traceparent(value) and value.endswith(b"-00") for value in made)
    assert len({trace_id(value) for value in made}) == len({span_id(value) for value in made}) == 100


def test_none_is_made_where_the_clients_is_good() -> None:
    assert new_trace([(b"traceparent", GOOD.encode())]) == b""
    assert new_trace([(b"traceparent", GOOD.encode())] * 2) != b""


def test_by_default_none_is_made() -> None:
    assert open_tracing("pass", "1") == Tracing()
    assert open_tracing("create", "1").new_trace is new_trace
