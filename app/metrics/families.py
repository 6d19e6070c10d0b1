"""Every metric there is: its name, what it says, its labels, and how processes are taken together."""

from dataclasses import dataclass
from typing import Literal

PREFIX = "gateway_"
SIGN_INS = ("signed_in", "rejected", "limited", "failed")
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Kind = Literal["counter", "histogram", "gauge"]


@dataclass(frozen=True, slots=True)
class Family:
    """`together` is for gauges; counters and histograms are summed.

    `known` are label values that begin at nought: a counter that appears at 1 has not risen for Prometheus.
    """

    key: str  # as the code calls it
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    together: Literal["sum", "max", "min"] = "sum"
    prefix: str = PREFIX
    known: tuple[tuple[str, ...], ...] = ()

    @property
    def name(self) -> str:
        """As Prometheus has it."""
        return self.prefix + self.key + ("_total" if self.kind == "counter" else "")


def _counter(key: str, about: str, *labels: str, known: tuple[str, ...] = ()) -> Family:
    begins = tuple((value,) for value in known) if labels else ((),)
    return Family(key, "counter", about, labels, known=begins)


def _histogram(key: str, about: str, *labels: str) -> Family:
    return Family(key, "histogram", about, labels)


FAMILIES = (
    _counter("requests_relayed", "Answers relayed, whole.", "route", "method", "status"),
    _histogram("relay_duration_seconds", "From a request's head to its answer's end.", "route"),
    _histogram("upstream_duration_seconds", "From the request to its answer's first byte.", "route"),
    _counter("requests_rejected", "Answers of the gateway's own.", "code", "status"),
    _counter("requests_verified", "Requests passed for a proxy.", "method"),
    _counter("options_handled", "OPTIONS requests answered by the gateway."),
    _counter("relays_aborted", "Relays that ended early.", "route"),
    _counter("function_calls", "Auth functions called.", "function", "status"),
    _histogram("function_duration_seconds", "Auth functions, with their wait in line.", "function"),
    _counter("sign_ins", "Sign-ins, by what came of them.", "result", known=SIGN_INS),
    _counter("session_renewals", "Renewals inside of requests.", "result", known=("renewed", "rejected")),
    _counter("limits_reached", "Calls beyond a limit.", "function", "scope"),
    _counter("internal_errors", "Defects of the gateway's own."),
    _counter("settings_reloads", "Settings read again.", "result", known=("done", "rejected")),
    _counter("log_lines_lost", "Lines that nobody took in time."),
    _counter("worker_starts", "Processes started, replaced ones included."),
    Family("client_connections", "gauge", "Open client connections."),
    Family("upstream_connections", "gauge", "Open connections to upstreams.", ("upstream",)),
    Family("upstream_connections_idle", "gauge", "Those of them that wait for a request.", ("upstream",)),
    Family("upstream_queued", "gauge", "Requests that wait for a connection or their turn.", ("upstream",)),
    Family("database_connections", "gauge", "Open connections to the database."),
    Family("database_connections_idle", "gauge", "Those of them that wait for a call."),
    Family("password_checks_queued", "gauge", "Passwords that wait to be checked."),
    Family("sessions_revoked", "gauge", "Ended sessions whose access tokens are refused.", together="max"),
    Family("revocations_connected", "gauge", "1 while the ends of sessions are heard of.", together="min"),
    Family("limit_store_lost", "gauge", "1 while tries are counted for each process alone.", together="max"),
    Family("workers", "gauge", "Processes that serve."),
    Family("build_info", "gauge", "1.", ("version", "python", "build"), together="max"),
    Family("start_time_seconds", "gauge", "When it was started.", together="min", prefix="process_"),
    Family("cpu_seconds", "counter", "User and system time.", prefix="process_"),
    Family("resident_memory_bytes", "gauge", "Resident memory.", prefix="process_"),
)
