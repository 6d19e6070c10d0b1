"""Events as log lines. An observer: it reads nothing but the event, and events hold nothing secret."""

import logging

from app.events import (
    Event,
    FunctionCalled,
    FunctionFailed,
    InternalFailed,
    RelayAborted,
    RequestRefused,
    RequestRelayed,
)

_LOG = logging.getLogger("postgate")
_SERVER_ERROR = 500


def configure_logs(level: int = logging.INFO) -> None:
    """Send the process's log lines to standard error."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s %(message)s", force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs every readiness probe


def log_event(event: Event) -> None:
    match event:
        case RequestRelayed():
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
        case InternalFailed(request_id, error):
            _LOG.error("internal error id=%s", _text(request_id), exc_info=error)


def _text(value: bytes) -> str:
    return value.decode("latin-1")
