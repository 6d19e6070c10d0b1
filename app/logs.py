"""Events as log lines. An observer: it reads nothing but the event, and events hold nothing secret."""

import logging
import time
import traceback
from collections.abc import Callable

from app.events import (
    Event,
    FunctionCalled,
    FunctionFailed,
    InternalFailed,
    LimitReached,
    LimitStoreFound,
    LimitStoreLost,
    RelayAborted,
    RequestRefused,
    RequestRelayed,
    RevocationsHeard,
    RevocationsMissed,
    SessionRenewed,
)

_LOG = logging.getLogger("postgate")
_SERVER_ERROR = 500


def configure_logs(level: int = logging.INFO) -> None:
    """Send the process's log lines to standard error."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True)
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)  # our own words say what starts and ends
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every readiness probe


class LogLines:
    """Events as lines, with a bound on those that a stranger can cause: a flood must not fill the disk."""

    def __init__(self, *, lines_per_second: int = 20, clock: Callable[[], float] = time.monotonic) -> None:
        self._bound = lines_per_second
        self._clock = clock
        self._second = 0
        self._lines = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, RequestRelayed):
            return
        if not isinstance(event, RequestRefused | RelayAborted | SessionRenewed) or self._may_write():
            log_event(event)

    def _may_write(self) -> bool:
        second = int(self._clock())
        if second != self._second:
            if self._lines > self._bound:
                _LOG.warning("%d more lines like these in one second", self._lines - self._bound)
            self._second, self._lines = second, 0
        self._lines += 1
        return self._lines <= self._bound


def log_event(event: Event) -> None:
    match event:
        case RequestRelayed() | LimitReached():
            pass  # counted, not written: one line for each request is the metrics' summary's job
        case RequestRefused(request_id, method, status, code, reason):
            level = logging.WARNING if status >= _SERVER_ERROR else logging.INFO
            _LOG.log(
                level, "refused %s %d %s %s id=%s", _text(method), status, code, reason, _text(request_id)
            )
        case RelayAborted(request_id, route, reason):
            _LOG.info("relay aborted route=%s %s id=%s", route, reason, _text(request_id))
        case FunctionCalled(request_id, name, status, seconds):
            _LOG.info("called %s %d %.0fms id=%s", name, status, seconds * 1000, _text(request_id))
        case FunctionFailed(request_id, name, sqlstate):
            _LOG.warning("failed %s sqlstate=%s id=%s", name, sqlstate, _text(request_id))
        case SessionRenewed(request_id, is_renewed, seconds):
            words = "renewed" if is_renewed else "not renewed"
            _LOG.info("session %s %.0fms id=%s", words, seconds * 1000, _text(request_id))
        case RevocationsHeard() | RevocationsMissed() | LimitStoreLost() | LimitStoreFound():
            _log_outage(event)
        case InternalFailed(request_id, error):
            _LOG.error("internal error id=%s\n%s", _text(request_id), _frames(error))


def _log_outage(
    event: RevocationsHeard | RevocationsMissed | LimitStoreLost | LimitStoreFound,
) -> None:
    match event:
        case RevocationsHeard(sessions):
            _LOG.info("listening for ended sessions, %d known", sessions)
        case RevocationsMissed(reason):
            _LOG.warning("not listening for ended sessions: %s", reason)
        case LimitStoreLost(reason):
            _LOG.warning("the store of limits is lost, each process counts for itself: %s", reason)
        case LimitStoreFound():
            _LOG.info("the store of limits is back")


def _text(value: bytes) -> str:
    """Bytes of a client's, unable to start a line or drive a terminal."""
    return ascii(value.decode("latin-1"))[1:-1]


def _frames(error: BaseException) -> str:
    """Where a defect is, without any error's own text: drivers put values into it, a password among them."""
    frames: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        frames.append(f"{type(cause).__module__}.{type(cause).__qualname__}\n")
        frames.extend(
            f"  {frame.filename}:{frame.lineno} in {frame.name}\n"
            for frame in traceback.extract_tb(cause.__traceback__)
        )
        cause = cause.__cause__ or cause.__context__
    return "".join(frames)
