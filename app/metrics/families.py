"""All metrics: name, help text, labels, and how the values of processes are combined."""

from dataclasses import dataclass
from typing import Literal

PREFIX = "gateway_"
SIGN_INS = ("signed_in", "rejected", "limited", "failed")
BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

Kind = Literal["counter", "histogram", "gauge"]


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. `together` combines gauges; counters and histograms are summed.

    `known`: label values that start at 0. For Prometheus, a counter that first appears at 1 has not
    increased.
    """

    key: str  # its name in the code
    kind: Kind
    about: str
    labels: tuple[str, ...] = ()
    together: Literal["sum", "max", "min"] = "sum"
    prefix: str = PREFIX
    known: tuple[tuple[str, ...], ...] = ()

    @property
    def name(self) -> str:
        """Its name for Prometheus."""
        return self.prefix + self.key + ("_total" if self.kind == "counter" else "")


def _counter(key: str, about: str, *labels: str, known: tuple[str, ...] = ()) -> Family:
    begins = tuple((value,) for value in known) if labels else ((),)
    return Family(key, "counter", about, labels, known=begins)


def _histogram(key: str, about: str, *labels: str) -> Family:
    return Family(key, "histogram", about, labels)


FAMILIES = (
    _counter("requests_relayed", "Complete relayed responses.", "route", "method", "status"),
    _histogram("relay_duration_seconds", "From the request's head to the end of the response.", "route"),
    _histogram("upstream_duration_seconds", "From the request to the first byte of the response.", "route"),
    _counter("requests_rejected", "Requests that the gateway rejected.", "code", "status"),
    _counter("requests_verified", "Requests verified for another proxy.", "method"),
    _counter("options_handled", "OPTIONS requests handled by the gateway."),
    _counter("relays_aborted", "Relays that were cut.", "route"),
    _counter("function_calls", "Calls of auth functions.", "function", "status"),
    _histogram("function_duration_seconds", "Duration of auth functions, queue included.", "function"),
    _counter("sign_ins", "Sign-ins, by result.", "result", known=SIGN_INS),
    _counter(
        "session_renewals", "Session renewals within requests.", "result", known=("renewed", "rejected")
    ),
    _counter("limits_reached", "Calls rejected by a limit.", "function", "scope"),
    _counter("mails", "Attempts to send a mail.", "result", known=("sent", "deferred", "failed")),
    _counter("internal_errors", "Defects of the gateway."),
    _counter("settings_reloads", "Reloads of the settings.", "result", known=("done", "rejected")),
    _counter("log_lines_lost", "Log lines that were dropped."),
    _counter("worker_starts", "Started processes, restarts included."),
    Family("client_connections", "gauge", "Open client connections."),
    Family("upstream_connections", "gauge", "Open connections to upstreams.", ("upstream",)),
    Family("upstream_connections_idle", "gauge", "Idle connections to upstreams.", ("upstream",)),
    Family("upstream_queued", "gauge", "Queued requests.", ("upstream",)),
    Family("database_connections", "gauge", "Open connections to the database."),
    Family("database_connections_idle", "gauge", "Idle connections to the database."),
    Family("password_checks_queued", "gauge", "Queued password checks."),
    Family(
        "sessions_revoked", "gauge", "Revoked sessions whose access tokens have not expired.", together="max"
    ),
    Family("revocations_connected", "gauge", "1 while the revocation listener is connected.", together="min"),
    Family("mails_queued", "gauge", "Mails in the outbox that are not sent.", together="max"),
    Family("mails_queued_oldest_seconds", "gauge", "Age of the oldest of them.", together="max"),
    Family("mail_delivery_stopped", "gauge", "1 while no mail can be sent.", together="max"),
    Family(
        "limit_store_lost",
        "gauge",
        "1 while the store of limits is unreachable and each process counts alone.",
        together="max",
    ),
    Family("workers", "gauge", "Serving processes."),
    Family("build_info", "gauge", "1.", ("version", "python", "build"), together="max"),
    Family(
        "start_time_seconds",
        "gauge",
        "Start of the oldest process, in Unix seconds.",
        together="min",
        prefix="process_",
    ),
    Family("cpu_seconds", "counter", "User and system CPU time.", prefix="process_"),
    Family("resident_memory_bytes", "gauge", "Resident memory.", prefix="process_"),
)
