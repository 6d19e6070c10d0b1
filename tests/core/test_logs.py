"""Logs: one line for what is noteworthy, at its level, and never a secret."""

import logging
from collections.abc import Iterator

import pytest

from app.events import (
    Event,
    FunctionCalled,
    FunctionFailed,
    InternalFailed,
    LimitStoreFound,
    LimitStoreLost,
    RelayAborted,
    RequestRefused,
    RequestRelayed,
)
from app.logs import log_event


@pytest.fixture(autouse=True)
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.DEBUG, logger="postgate"):
        yield


@pytest.mark.parametrize(
    ("event", "level", "line"),
    [
        (
            RequestRefused(b"id-1", b"GET", 401, "GW201", "expired"),
            logging.INFO,
            "refused GET 401 GW201 expired id=id-1",
        ),
        (
            RequestRefused(b"id-1", b"POST", 502, "GW300", "connection refused"),
            logging.WARNING,
            "refused POST 502 GW300 connection refused id=id-1",
        ),
        (
            RelayAborted(b"id-1", "rest", "client gone"),
            logging.INFO,
            "relay aborted route=rest client gone id=id-1",
        ),
        (FunctionCalled(b"id-1", "login", 204, 0.0123), logging.INFO, "called login 204 12ms id=id-1"),
        (
            FunctionFailed(b"id-1", "login", "P0001"),
            logging.WARNING,
            "failed login sqlstate=P0001 id=id-1",
        ),
        (
            LimitStoreLost("ConnectionError"),
            logging.WARNING,
            "the store of limits is lost, each process counts for itself: ConnectionError",
        ),
        (LimitStoreFound(), logging.INFO, "the store of limits is back"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_is_one_line(event: Event, level: int, line: str, caplog: pytest.LogCaptureFixture) -> None:
    log_event(event)
    assert [(record.name, record.levelno, record.getMessage()) for record in caplog.records] == [
        ("postgate", level, line)
    ]


def test_a_relayed_request_is_counted_and_not_written(caplog: pytest.LogCaptureFixture) -> None:
    log_event(RequestRelayed(b"id-1", "rest", b"GET", 200, "web", "u1", 10, 0.1))
    assert not caplog.records


def _fail(argument: str) -> None:
    cause = LookupError(f"the cause says {argument}")
    raise ValueError(f"invalid input for query argument: {argument}") from cause


def test_a_defect_is_logged_with_its_type_and_place_but_without_its_text(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A driver's error tells the argument that it could not encode: it may be a password."""
    with pytest.raises(ValueError, match="hunter2") as failed:
        _fail("hunter2")
    log_event(InternalFailed(b"id-1", failed.value))
    (record,) = caplog.records
    assert (record.levelno, "id=id-1" in record.getMessage()) == (logging.ERROR, True)
    for told in ("ValueError", "LookupError", "test_logs.py", "in _fail"):
        assert told in caplog.text
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize("method", [b"GET\r\nforged line", b"\xff\xfe", b"\x1b[2J", "é".encode()])
def test_no_bytes_of_a_client_begin_a_line_of_their_own(
    method: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    log_event(RequestRefused(b"id-1", method, 401, "GW200", ""))
    (record,) = caplog.records
    assert record.getMessage().isprintable()
