"""Metrics: what the events told, as Prometheus reads it."""

import re
from collections.abc import Callable
from typing import Any

from app.events import (
    Drained,
    Event,
    FunctionCalled,
    FunctionFailed,
    InternalFailure,
    LimitReached,
    LimitStoreLost,
    LimitStoreRestored,
    OptionsHandled,
    RelayAborted,
    RequestRejected,
    RequestRelayed,
    RequestVerified,
    RevocationsConnected,
    RevocationsDisconnected,
    SessionRenewed,
    SettingsRejected,
    SettingsReloaded,
)
from app.metrics import FAMILIES, Gauges, Meter, Numbers

RELAYED: dict[str, Any] = {
    "request_id": b"id-1",
    "route": "rest",
    "method": b"GET",
    "status": 200,
    "role": "web",
    "subject": "u1",
    "response_bytes": 10,
    "seconds": 0.004,
    "upstream_seconds": 0.0005,
}


def relayed(**changes: Any) -> RequestRelayed:
    return RequestRelayed(**(RELAYED | changes))


def tell(numbers: Numbers, event: Event) -> None:
    """As a gateway tells it: what is relayed is counted without its event."""
    numbers.observe(event)
    if isinstance(event, RequestRelayed):
        took = event.seconds, event.upstream_seconds
        numbers.count_relayed(event.route, event.method, event.status, *took)


def exposed(*events: Event, gauges: Callable[[], Gauges] = dict) -> str:
    """What there is to scrape, but for what depends on the machine."""
    numbers = Numbers(sign_in_functions={"login"})
    for event in events:
        tell(numbers, event)
    text = Meter(numbers, gauges).exposition().decode()
    return re.sub(r"^(?:# (?:HELP|TYPE) )?process_.*\n", "", text, flags=re.MULTILINE)


def samples(*events: Event) -> list[str]:
    """What is counted of these: no help, no buckets, nothing that nobody did."""
    lines = [line for line in exposed(*events).splitlines() if not line.startswith("#")]
    quiet = re.compile(r".* 0\.0|gateway_worker.*|\w+_bucket\{.*").fullmatch
    return [line for line in lines if not quiet(line)]


RELAY_DURATION = """\
# HELP gateway_relay_duration_seconds From the request's head to the end of the response.
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
"""


def test_durations_are_counted_in_buckets_over_all_methods_and_statuses() -> None:
    text = exposed(
        relayed(),
        relayed(seconds=0.001),  # a bound belongs to its bucket
        relayed(method=b"POST", status=201, seconds=0.5),
        relayed(method=b"MKCOL", status=405, seconds=20),
    )
    assert RELAY_DURATION in text


def test_a_sequence_of_events_reads_like_this() -> None:
    counted = samples(
        relayed(),
        relayed(),
        relayed(method=b"PROPFIND", status=405),
        relayed(method=b"MKCOL", status=405),
        RequestRejected(b"id-2", b"GET", 401, "GW200", "no cookie"),
        RequestRejected(b"id-3", b"POST", 401, "GW200", ""),
        RequestRejected(b"id-4", b"GET", 500, "GW500", ""),
        RequestVerified(b"id-5", b"GET", "web", "u1", 0.001),
        OptionsHandled(b"id-6", "192.0.2.7", b"/rest/items"),
        InternalFailure(b"id-4", ValueError()),
        RelayAborted(b"id-5", "rest", "client gone", relayed(status=0)),
        FunctionCalled(b"id-6", "refresh_token", 200, 0.25, sets_session=True),
        FunctionFailed(b"id-7", "login", "P0001"),
        SessionRenewed(b"id-8", is_renewed=False, seconds=0.01),
        SessionRenewed(b"id-9", is_renewed=True, seconds=0.01),
        SessionRenewed(b"id-a", is_renewed=True, seconds=0.01),
        LimitReached("login", "pair"),
        SettingsReloaded((), ()),
        SettingsRejected(()),
        Drained(1),
    )
    assert counted == [
        'gateway_requests_relayed_total{method="GET",route="rest",status="200"} 2.0',
        'gateway_requests_relayed_total{method="OTHER",route="rest",status="405"} 2.0',
        'gateway_relay_duration_seconds_count{route="rest"} 4.0',
        'gateway_relay_duration_seconds_sum{route="rest"} 0.016',
        'gateway_upstream_duration_seconds_count{route="rest"} 4.0',
        'gateway_upstream_duration_seconds_sum{route="rest"} 0.002',
        'gateway_requests_rejected_total{code="GW200",status="401"} 2.0',
        'gateway_requests_rejected_total{code="GW500",status="500"} 1.0',
        'gateway_requests_verified_total{method="GET"} 1.0',
        "gateway_options_handled_total 1.0",
        'gateway_relays_aborted_total{route="rest"} 1.0',
        'gateway_function_calls_total{function="refresh_token",status="200"} 1.0',
        'gateway_function_duration_seconds_count{function="refresh_token"} 1.0',
        'gateway_function_duration_seconds_sum{function="refresh_token"} 0.25',
        'gateway_session_renewals_total{result="rejected"} 1.0',
        'gateway_session_renewals_total{result="renewed"} 2.0',
        'gateway_limits_reached_total{function="login",scope="pair"} 1.0',
        "gateway_internal_errors_total 1.0",
        'gateway_settings_reloads_total{result="done"} 1.0',
        'gateway_settings_reloads_total{result="rejected"} 1.0',
    ]


def test_a_sign_in_is_counted_by_what_came_of_it() -> None:
    counted = samples(
        FunctionCalled(b"", "login", 204, 0.1, sets_session=True),
        FunctionCalled(b"", "login", 200, 0.1),  # recipes that answer a wrong password with 200 and no cookie
        FunctionCalled(b"", "login", 401, 0.1),
        FunctionCalled(b"", "login", 403, 0.1),
        FunctionCalled(b"", "login", 404, 0.1),
        FunctionCalled(b"", "logout", 204, 0.1),
        RequestRejected(b"", b"POST", 429, "GW203", "", function="login"),
        RequestRejected(b"", b"POST", 503, "GW401", "", function="login"),
        RequestRejected(b"", b"POST", 503, "GW401", "", function="logout"),
        RequestRejected(b"", b"POST", 403, "GW202", ""),
    )
    assert [line for line in counted if "sign_ins" in line] == [
        'gateway_sign_ins_total{result="failed"} 2.0',
        'gateway_sign_ins_total{result="limited"} 1.0',
        'gateway_sign_ins_total{result="rejected"} 3.0',
        'gateway_sign_ins_total{result="signed_in"} 1.0',
    ]


def test_a_counter_whose_labels_are_known_begins_at_nought() -> None:
    """One that appears at 1 has not risen: an alert on the first defect would stay silent."""
    counted = [line for line in exposed().splitlines() if not line.startswith(("#", "gateway_worker"))]
    assert counted == [
        "gateway_options_handled_total 0.0",
        'gateway_sign_ins_total{result="failed"} 0.0',
        'gateway_sign_ins_total{result="limited"} 0.0',
        'gateway_sign_ins_total{result="rejected"} 0.0',
        'gateway_sign_ins_total{result="signed_in"} 0.0',
        'gateway_session_renewals_total{result="rejected"} 0.0',
        'gateway_session_renewals_total{result="renewed"} 0.0',
        'gateway_mails_total{result="deferred"} 0.0',
        'gateway_mails_total{result="failed"} 0.0',
        'gateway_mails_total{result="sent"} 0.0',
        "gateway_internal_errors_total 0.0",
        'gateway_settings_reloads_total{result="done"} 0.0',
        'gateway_settings_reloads_total{result="rejected"} 0.0',
        "gateway_log_lines_lost_total 0.0",
    ]


def test_no_label_is_the_clients_to_choose() -> None:
    events: list[Event] = []
    for number in range(500):
        name = f"{number}".encode()
        events += [
            relayed(method=b"M" + name, request_id=name, subject=f"u{number}", role=f"r{number}", path=name),
            RequestRejected(name, b"M" + name, 401, "GW200", f"reason {number}", path=name),
            RequestVerified(name, b"M" + name, f"r{number}", f"u{number}", 0.1),
            RelayAborted(name, "rest", f"reason {number}", relayed(method=b"M" + name)),
        ]
    assert len(samples(*events)) == 1 + 2 + 2 + 1 + 1 + 1


def test_every_sample_has_labels_of_its_own() -> None:
    counted = samples(
        *(relayed(method=method) for method in (b"GET", b"get", b"PROPFIND", b"OTHER", b"\xff"))
    )
    names = [line.rpartition(" ")[0] for line in counted]
    assert len(names) == len(set(names))


def test_the_usual_methods_have_their_names() -> None:
    methods = (b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE")
    told = re.findall(
        r'relayed_total\{method="([A-Z]+)"', exposed(*(relayed(method=each) for each in methods))
    )
    assert told == sorted(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "OTHER"])


def test_a_gauge_is_read_when_it_is_asked_for() -> None:
    numbers, level = Numbers(), [1.0]
    meter = Meter(numbers, lambda: {"client_connections": level[0], "upstream_queued": {("a",): level[0]}})
    assert b"\ngateway_client_connections 1.0\n" in meter.exposition()
    level[0] = 2.5
    assert b"\ngateway_client_connections 2.5\n" in meter.exposition()
    assert b'\ngateway_upstream_queued{upstream="a"} 2.5\n' in meter.exposition()


def test_a_total_that_is_kept_elsewhere_is_read_when_it_is_asked_for() -> None:
    meter = Meter(Numbers(), dict, totals=lambda: {"log_lines_lost": 7})
    for _ in range(2):
        assert b"\ngateway_log_lines_lost_total 7.0\n" in meter.exposition()


def test_whether_news_comes_in_and_where_tries_are_counted_is_known() -> None:
    numbers = Numbers()
    seen = []
    for event in (
        RevocationsConnected(1),
        RevocationsDisconnected(""),
        LimitStoreLost(""),
        LimitStoreRestored(),
    ):
        numbers.observe(event)
        seen.append((numbers.revocations_connected, numbers.limit_store_lost))
    assert seen == [(True, False), (False, False), (False, True), (False, False)]


def test_every_family_has_a_name_of_its_own_and_says_what_it_is() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)
    assert all(re.fullmatch(r"(?:gateway|process)_[a-z_]+", family.name) for family in FAMILIES)
    assert all(family.about.endswith(".") for family in FAMILIES)
