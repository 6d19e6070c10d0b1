"""Metrics: what the events told, as Prometheus reads it."""

import re
from typing import Any

from app.events import (
    FunctionCalled,
    FunctionFailed,
    InternalFailed,
    LimitReached,
    RelayAborted,
    RequestRefused,
    RequestRelayed,
    SessionRenewed,
)
from app.metrics import Metrics

RELAYED: dict[str, Any] = {
    "request_id": b"id-1",
    "route": "rest",
    "method": b"GET",
    "status": 200,
    "role": "web",
    "subject": "u1",
    "response_bytes": 10,
    "seconds": 0.004,
}


def relayed(**changes: Any) -> RequestRelayed:
    return RequestRelayed(**(RELAYED | changes))


EXPOSITION = """\
# HELP gateway_requests_relayed_total Answers relayed, whole.
# TYPE gateway_requests_relayed_total counter
gateway_requests_relayed_total{method="GET",route="rest",status="200"} 2.0
gateway_requests_relayed_total{method="OTHER",route="rest",status="405"} 2.0
# HELP gateway_relay_duration_seconds From a request's head to its answer's end.
# TYPE gateway_relay_duration_seconds histogram
gateway_relay_duration_seconds_bucket{le="0.001",route="rest"} 1.0
gateway_relay_duration_seconds_bucket{le="0.0025",route="rest"} 1.0
gateway_relay_duration_seconds_bucket{le="0.005",route="rest"} 2.0
gateway_relay_duration_seconds_bucket{le="0.01",route="rest"} 2.0
gateway_relay_duration_seconds_bucket{le="0.025",route="rest"} 2.0
gateway_relay_duration_seconds_bucket{le="0.05",route="rest"} 2.0
gateway_relay_duration_seconds_bucket{le="0.1",route="rest"} 2.0
gateway_relay_duration_seconds_bucket{le="0.25",route="rest"} 2.0
gateway_relay_duration_seconds_bucket{le="0.5",route="rest"} 3.0
gateway_relay_duration_seconds_bucket{le="1.0",route="rest"} 3.0
gateway_relay_duration_seconds_bucket{le="2.5",route="rest"} 3.0
gateway_relay_duration_seconds_bucket{le="5.0",route="rest"} 3.0
gateway_relay_duration_seconds_bucket{le="10.0",route="rest"} 3.0
gateway_relay_duration_seconds_bucket{le="+Inf",route="rest"} 4.0
gateway_relay_duration_seconds_count{route="rest"} 4.0
gateway_relay_duration_seconds_sum{route="rest"} 20.505
# HELP gateway_requests_refused_total Answers of the gateway's own.
# TYPE gateway_requests_refused_total counter
gateway_requests_refused_total{code="GW200",status="401"} 2.0
gateway_requests_refused_total{code="GW500",status="500"} 1.0
# HELP gateway_relays_aborted_total Relays that ended early.
# TYPE gateway_relays_aborted_total counter
gateway_relays_aborted_total{route="rest"} 1.0
# HELP gateway_function_calls_total Auth functions called.
# TYPE gateway_function_calls_total counter
gateway_function_calls_total{function="login",status="200"} 1.0
gateway_function_calls_total{function="login",status="401"} 1.0
# HELP gateway_session_renewals_total Renewals inside of requests.
# TYPE gateway_session_renewals_total counter
gateway_session_renewals_total{result="refused"} 1.0
gateway_session_renewals_total{result="renewed"} 2.0
# HELP gateway_limits_reached_total Calls beyond a limit.
# TYPE gateway_limits_reached_total counter
gateway_limits_reached_total{function="login",scope="pair"} 1.0
# HELP gateway_client_connections Open client connections.
# TYPE gateway_client_connections gauge
gateway_client_connections 3.0
"""


def test_a_sequence_of_events_reads_like_this() -> None:
    metrics = Metrics((("client_connections", "Open client connections.", lambda: 3),))
    for event in (
        relayed(),
        relayed(seconds=0.001),  # a bound belongs to its bucket
        relayed(method=b"PROPFIND", status=405, seconds=0.5),
        relayed(method=b"MKCOL", status=405, seconds=20),
        RequestRefused(b"id-2", b"GET", 401, "GW200", "no cookie"),
        RequestRefused(b"id-3", b"POST", 401, "GW200", ""),
        RequestRefused(b"id-4", b"GET", 500, "GW500", ""),
        InternalFailed(b"id-4", ValueError()),
        RelayAborted(b"id-5", "rest", "client gone"),
        FunctionCalled(b"id-6", "login", 200, 0.01),
        FunctionCalled(b"id-7", "login", 401, 0.01),
        FunctionFailed(b"id-7", "login", "P0001"),
        SessionRenewed(b"id-8", is_renewed=False, seconds=0.01),
        SessionRenewed(b"id-9", is_renewed=True, seconds=0.01),
        SessionRenewed(b"id-a", is_renewed=True, seconds=0.01),
        LimitReached("login", "pair"),
    ):
        metrics.observe(event)
    assert metrics.exposition().decode() == EXPOSITION


def test_what_nobody_did_is_not_counted() -> None:
    assert b" 0.0" not in Metrics().exposition()


def test_no_label_is_the_clients_to_choose() -> None:
    metrics = Metrics()
    for number in range(500):
        metrics.observe(
            relayed(
                method=b"M%d" % number, request_id=b"%d" % number, subject=f"u{number}", role=f"r{number}"
            )
        )
        metrics.observe(RequestRefused(b"%d" % number, b"M%d" % number, 401, "GW200", f"reason {number}"))
        metrics.observe(RelayAborted(b"%d" % number, "rest", f"reason {number}"))
    samples = [line for line in metrics.exposition().splitlines() if not line.startswith(b"#")]
    assert len(samples) == 1 + 16 + 1 + 1


def test_every_sample_has_labels_of_its_own() -> None:
    metrics = Metrics()
    for method in (b"GET", b"get", b"PROPFIND", b"OTHER", b"other", b"\xff"):
        metrics.observe(relayed(method=method))
    names = [line.rpartition(b" ")[0] for line in metrics.exposition().splitlines()]
    assert len(names) == len(set(names))


def test_the_usual_methods_have_their_names() -> None:
    metrics = Metrics()
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"):
        metrics.observe(relayed(method=method))
    told = re.findall(r'relayed_total\{method="([A-Z]+)"', metrics.exposition().decode())
    assert told == ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"]


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    level = [1.0]
    metrics = Metrics((("level", "A level.", lambda: level[0]),))
    assert b"\ngateway_level 1.0\n" in metrics.exposition()
    level[0] = 2.5
    assert b"\ngateway_level 2.5\n" in metrics.exposition()
