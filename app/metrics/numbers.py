"""Counts of events in this process.

Labels are bounded: routes, functions and codes come from the gateway, and an unusual method counts as OTHER.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection
from typing import Final

from app.events import (
    Event,
    FunctionCalled,
    InternalFailure,
    LimitReached,
    LimitStoreLost,
    LimitStoreRestored,
    MailFailed,
    MailSent,
    OptionsHandled,
    RelayAborted,
    RequestRejected,
    RequestVerified,
    RevocationsConnected,
    RevocationsDisconnected,
    SessionRenewed,
    SettingsRejected,
    SettingsReloaded,
)
from app.metrics.families import BOUNDS
from app.metrics.snapshots import Snapshot

_BOUNDS: Final = list(BOUNDS)
_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
_CLIENT_ERROR: Final = 400
_REJECTED: Final = frozenset({401, 403})
_LIMITED: Final = 429


class Histogram:
    """Counts of durations, in seconds."""

    __slots__ = ("counts", "total")

    def __init__(self) -> None:
        self.counts: list[int] = [0] * (len(_BOUNDS) + 1)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds


class Numbers:
    """Counts events. `sign_in_functions`: the functions whose success is a sign-in."""

    def __init__(self, *, sign_in_functions: Collection[str] = ("login",)) -> None:
        self._sign_in_functions = frozenset(sign_in_functions)
        self._relays: dict[tuple[str, bytes, int], tuple[Histogram, Histogram]] = {}
        self._functions: dict[str, Histogram] = {}
        self._counts: Counter[tuple[str, tuple[str, ...]]] = Counter()
        self._past = Snapshot()
        self.revocations_connected = False  # the revocation listener
        self.limit_store_lost = False  # the store of limits is unreachable

    def continue_from(self, past: Snapshot) -> None:
        """Continue the counts of an exited process, so that no counter decreases."""
        self._past = past

    def count_relayed(
        self, route: str, method: bytes, status: int, seconds: float, upstream_seconds: float
    ) -> None:
        """Count a relayed request. `observe` ignores its event."""
        durations = self._relays.get((route, method, status))
        if durations is None:
            durations = self._relays[route, method, status] = (Histogram(), Histogram())
        total, upstream = durations
        total.counts[bisect_left(_BOUNDS, seconds)] += 1
        total.total += seconds
        upstream.counts[bisect_left(_BOUNDS, upstream_seconds)] += 1
        upstream.total += upstream_seconds

    def observe(self, event: Event) -> None:  # noqa: C901, PLR0912  one row for each event
        match event:
            case RequestRejected():
                self._count("requests_rejected", event.code, str(event.status))
                if event.function in self._sign_in_functions:
                    self._count("sign_ins", "limited" if event.status == _LIMITED else "failed")
            case FunctionCalled():
                self._count_call(event)
            case RequestVerified():
                self._count("requests_verified", _known(event.method))
            case OptionsHandled():
                self._count("options_handled")
            case RelayAborted():
                self._count("relays_aborted", event.route)
            case SessionRenewed():
                self._count("session_renewals", "renewed" if event.is_renewed else "rejected")
            case LimitReached():
                self._count("limits_reached", event.name, event.scope)
            case MailSent():
                self._count("mails", "sent")
            case MailFailed():
                self._count("mails", "failed" if event.is_permanent else "deferred")
            case InternalFailure():
                self._count("internal_errors")
            case SettingsReloaded() | SettingsRejected():
                self._count("settings_reloads", "done" if isinstance(event, SettingsReloaded) else "rejected")
            case RevocationsConnected() | RevocationsDisconnected():
                self.revocations_connected = isinstance(event, RevocationsConnected)
            case LimitStoreLost() | LimitStoreRestored():
                self.limit_store_lost = isinstance(event, LimitStoreLost)
            case _:
                pass

    def snapshot(self) -> Snapshot:
        """All counts, without gauges."""
        snapshot = Snapshot()
        snapshot.add_totals(self._past)
        for (route, method, status), (durations, upstream) in self._relays.items():
            count = sum(durations.counts)
            snapshot.count("requests_relayed", (route, _known(method), str(status)), count)
            snapshot.add_histogram("relay_duration_seconds", (route,), _counts(durations))
            snapshot.add_histogram("upstream_duration_seconds", (route,), _counts(upstream))
        for name, histogram in self._functions.items():
            snapshot.add_histogram("function_duration_seconds", (name,), _counts(histogram))
        for (family, labels), value in self._counts.items():
            snapshot.count(family, labels, value)
        return snapshot

    def _count_call(self, event: FunctionCalled) -> None:
        self._count("function_calls", event.name, str(event.status))
        self._functions.setdefault(event.name, Histogram()).add(event.seconds)
        if event.name in self._sign_in_functions:
            is_success = event.status < _CLIENT_ERROR
            failure = "rejected" if is_success or event.status in _REJECTED else "failed"
            self._count("sign_ins", "signed_in" if is_success and event.sets_session else failure)

    def _count(self, family: str, *labels: str) -> None:
        self._counts[family, labels] += 1


def _counts(histogram: Histogram) -> tuple[tuple[int, ...], float]:
    return tuple(histogram.counts), histogram.total


def _known(method: bytes) -> str:
    return method.decode() if method in _METHODS else "OTHER"
