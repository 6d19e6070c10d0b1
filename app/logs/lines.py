"""Events as log lines, with a bound on those that any client can cause: a flood must not fill the disk."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any, Final

from app.events import (
    AdmissionUnusable,
    AuditRecordsLost,
    Event,
    ForwardingUnreadable,
    FunctionCalled,
    FunctionFailed,
    InternalFailure,
    IssuerKeysUnavailable,
    LimitReached,
    LimitStoreLost,
    LimitTooLow,
    LogLinesLost,
    MailDeliveryStopped,
    MailFailed,
    NotReady,
    OptionsHandled,
    RefreshUnusable,
    RelayAborted,
    RequestRejected,
    RequestRelayed,
    RequestVerified,
    ResponseHeaderDropped,
    RevocationsDisconnected,
    SessionRenewed,
    SettingsRejected,
    StopForced,
    VariablesIgnored,
    WorkerExited,
)
from app.logs.log import Form, Log, defect, is_json
from app.logs.requests import RequestLines

Line = tuple[str, int, Mapping[str, Any]]  # event name, level, other fields

_SERVER_ERROR: Final = 500
_CLIENT_ERROR: Final = 400
_DIGITS: Final = 6
_BY_ANY_CLIENT: Final = frozenset(
    {
        OptionsHandled,
        RequestRejected,
        RelayAborted,
        SessionRenewed,
        FunctionCalled,
        FunctionFailed,
    }
)
_REQUESTS: Final = frozenset({RequestRelayed, RequestVerified, OptionsHandled})  # of successful requests
_WARNINGS: Final = (
    AdmissionUnusable, AuditRecordsLost, ForwardingUnreadable, FunctionFailed, IssuerKeysUnavailable,
    LimitStoreLost, LimitTooLow, LogLinesLost, MailDeliveryStopped, MailFailed, NotReady, RefreshUnusable,
    ResponseHeaderDropped,
    RevocationsDisconnected, SettingsRejected, StopForced, VariablesIgnored, WorkerExited,
)  # fmt: skip
_NOT_WRITTEN: Final = frozenset({"trace", "parent", "sets_session"})
_NAMES: Final = {"name": "function", "is_renewed": "renewed", "is_permanent": "permanent"}


class LogLines:
    """Writes events. `requests`: also a line for each relayed request."""

    def __init__(
        self,
        log: Log,
        *,
        requests: bool = False,
        lines_per_second: int = 20,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.requests = requests
        self.lines_per_second = lines_per_second  # for each kind of event
        self._log = log
        self._request_lines = RequestLines()
        self._clock = clock
        self._second = 0
        self._reported_lost = 0
        self._written: Counter[type] = Counter()

    def __call__(self, event: Event) -> None:
        kind = type(event)
        if kind in _REQUESTS and not self.requests:
            return
        if isinstance(event, RequestRelayed):
            self.relayed(event)
            return
        if kind in _BY_ANY_CLIENT and not (_is_success(event) or self._may_write(kind)):
            return
        if (line := line_of(event)) is not None:
            self._log.write(*line)

    def relayed(self, event: RequestRelayed) -> None:
        """Write a relayed request. Call it only if `requests` is true."""
        if event.role is not None or self._may_write(RequestRelayed):
            self._write_relayed(event)

    def adopt(self, form: Form, *, requests: bool, lines_per_second: int) -> None:
        """Change the form and the bounds from now on."""
        self.requests, self.lines_per_second = requests, lines_per_second
        self._log.as_json = is_json(form)

    @property
    def lost(self) -> int:
        """Lines that were dropped, because the reader was too slow."""
        return self._log.lost

    def tick(self) -> None:
        """Write the collected lines, and report suppressed and lost ones. Call it at each tick."""
        self._begin_second()
        if self.lost > self._reported_lost and self._log.has_room:
            self(LogLinesLost(self.lost - self._reported_lost))
            self._reported_lost = self.lost
        self._log.flush()

    def _write_relayed(self, event: RequestRelayed) -> None:
        if self._log.as_json:
            self._log.write_line(self._request_lines.line(event))
        else:
            self._log.write("request_relayed", logging.INFO, _relayed_fields(event))

    def _may_write(self, kind: type) -> bool:
        if int(self._clock()) != self._second:
            self._begin_second()
        lines = self._written[kind] = self._written[kind] + 1
        return lines <= self.lines_per_second

    def _begin_second(self) -> None:
        second = int(self._clock())
        if second == self._second:
            return
        written, self._second, self._written = self._written, second, Counter()
        for kind, lines in written.items():
            if lines > self.lines_per_second:
                suppressed = {"of": _name(kind), "lines": lines - self.lines_per_second}
                self._log.write("lines_suppressed", logging.WARNING, suppressed)


def line_of(event: Event) -> Line | None:
    """None for an event that is counted and not written."""
    match event:
        case LimitReached():
            return None  # the rejection of the call has its own line
        case RequestRelayed():
            return "request_relayed", logging.INFO, _relayed_fields(event)
        case RelayAborted(request_id, route, reason, so_far):
            known = {"request_id": _text(request_id), "route": route}
            known = _relayed_fields(so_far) if so_far is not None else known
            return "relay_aborted", logging.INFO, {**known, "reason": reason}
        case RequestRejected():
            level = logging.WARNING if event.status >= _SERVER_ERROR else logging.INFO
            return "request_rejected", level, _fields(event._asdict())
        case InternalFailure(request_id, error):
            found = {"request_id": _text(request_id), **defect(error)}
            return "internal_failure", logging.ERROR, found
        case _:
            level = logging.WARNING if isinstance(event, _WARNINGS) else logging.INFO
            named = {field.name: getattr(event, field.name) for field in fields(event)}
            return _name(type(event)), level, _fields(named)


def _is_success(event: Event) -> bool:
    """Whether the client's credential was accepted."""
    if isinstance(event, FunctionCalled):
        return event.status < _CLIENT_ERROR
    return isinstance(event, SessionRenewed) and event.is_renewed


def _name(kind: type) -> str:
    """`SessionRenewed` -> `session_renewed`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__)[1:]


def _relayed_fields(event: RequestRelayed) -> dict[str, Any]:
    """The same fields as in `RequestLines`."""
    return {
        "request_id": _text(event.request_id),
        "client": event.client,
        "method": _text(event.method),
        "path": _text(event.path),
        "route": event.route,
        "status": event.status,
        "bytes_in": event.request_bytes,
        "bytes_out": event.response_bytes,
        "seconds": round(event.seconds, _DIGITS),
        "upstream_seconds": round(event.upstream_seconds, _DIGITS),
        "role": event.role,
        "subject": event.subject,
        "session": event.session,
        "trace_id": _text(event.trace[3:35]) or None,
    }


def _fields(known: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an event under their names in lines, without empty ones."""
    fields: dict[str, Any] = {}
    for name, value in known.items():
        if name == "trace" and value:
            fields["trace_id"] = _text(value[3:35])
        elif name not in _NOT_WRITTEN and not _is_empty(value):
            plain = _text(value) if isinstance(value, bytes) else value
            fields[_NAMES.get(name, name)] = round(plain, _DIGITS) if isinstance(plain, float) else plain
    return fields


def _is_empty(value: object) -> bool:
    return value is None or (isinstance(value, str | bytes) and not value)


def _text(value: bytes) -> str:
    return value.decode("latin-1")
