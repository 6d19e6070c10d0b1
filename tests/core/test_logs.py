"""Logs: one line for each event, at its level, with all that there is to say and never a secret."""

import asyncio
import json
import logging
import re
from typing import Any

import pytest

from app.events import (
    BecameReady,
    Drained,
    Event,
    ForwardingUnreadable,
    FunctionCalled,
    FunctionFailed,
    InternalFailure,
    LimitReached,
    LimitStoreLost,
    LimitStoreRestored,
    LimitTooLow,
    Listening,
    LogLinesLost,
    NotReady,
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
    StopForced,
    VariablesIgnored,
    WorkerExited,
)
from app.logs import catch_foreign
from app.logs.log import is_json

from .written import Written, line_of

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RELAYED = RequestRelayed(
    b"id-1",
    "rest",
    b"GET",
    200,
    "web",
    "u1",
    1234,
    0.0123456789,
    client="192.0.2.7",
    path=b"/rest/items",
    session="s1",
    request_bytes=12,
    upstream_seconds=0.01,
    trace=TRACE,
)
RELAYED_LINE = {
    "level": "info",
    "event": "request_relayed",
    "request_id": "id-1",
    "client": "192.0.2.7",
    "method": "GET",
    "path": "/rest/items",
    "route": "rest",
    "status": 200,
    "bytes_in": 12,
    "bytes_out": 1234,
    "seconds": 0.012346,
    "upstream_seconds": 0.01,
    "role": "web",
    "subject": "u1",
    "session": "s1",
    "trace_id": "0af7651916cd43dd8448eb211c80319c",
}
STRANGER = RequestRelayed(b"id-2", "rest", b"GET", 200, None, None, 10, 0.1)


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (RELAYED, RELAYED_LINE),
        (
            RelayAborted(b"id-1", "rest", "client gone", RELAYED),
            {**RELAYED_LINE, "event": "relay_aborted", "reason": "client gone"},
        ),
        (
            RequestRejected(b"id-1", b"GET", 401, "GW201", "expired", "192.0.2.7", b"/rest/x", trace=TRACE),
            {
                "level": "info",
                "event": "request_rejected",
                "request_id": "id-1",
                "method": "GET",
                "status": 401,
                "code": "GW201",
                "reason": "expired",
                "client": "192.0.2.7",
                "path": "/rest/x",
                "trace_id": "0af7651916cd43dd8448eb211c80319c",
            },
        ),
        (
            RequestRejected(b"id-1", b"POST", 503, "GW401", "", function="login"),
            {
                "level": "warning",
                "event": "request_rejected",
                "request_id": "id-1",
                "method": "POST",
                "status": 503,
                "code": "GW401",
                "function": "login",
            },
        ),
        (
            OptionsHandled(b"id-1", "192.0.2.7", b"/rpc/login"),
            {
                "level": "info",
                "event": "options_handled",
                "request_id": "id-1",
                "client": "192.0.2.7",
                "path": "/rpc/login",
            },
        ),
        (
            RequestVerified(b"id-1", b"GET", "web", "u1", 0.001),
            {
                "level": "info",
                "event": "request_verified",
                "request_id": "id-1",
                "method": "GET",
                "role": "web",
                "subject": "u1",
                "seconds": 0.001,
            },
        ),
        (
            FunctionCalled(b"id-1", "login", 204, 0.0123, "192.0.2.7", b"/rpc/login", sets_session=True),
            {
                "level": "info",
                "event": "function_called",
                "request_id": "id-1",
                "function": "login",
                "status": 204,
                "seconds": 0.0123,
                "client": "192.0.2.7",
                "path": "/rpc/login",
            },
        ),
        (
            FunctionFailed(b"id-1", "login", "P0001"),
            {
                "level": "warning",
                "event": "function_failed",
                "request_id": "id-1",
                "function": "login",
                "sqlstate": "P0001",
            },
        ),
        (
            SessionRenewed(b"id-1", is_renewed=False, seconds=0.25),
            {
                "level": "info",
                "event": "session_renewed",
                "request_id": "id-1",
                "renewed": False,
                "seconds": 0.25,
            },
        ),
        (RevocationsConnected(3), {"level": "info", "event": "revocations_connected", "sessions": 3}),
        (
            RevocationsDisconnected("connection lost"),
            {"level": "warning", "event": "revocations_disconnected", "reason": "connection lost"},
        ),
        (
            ForwardingUnreadable("10.0.0.1", "x-forwarded-for", "unknown"),
            {
                "level": "warning",
                "event": "forwarding_unreadable",
                "proxy": "10.0.0.1",
                "header": "x-forwarded-for",
                "value": "unknown",
            },
        ),
        (
            LimitStoreLost("ConnectionError"),
            {"level": "warning", "event": "limit_store_lost", "reason": "ConnectionError"},
        ),
        (LimitStoreRestored(), {"level": "info", "event": "limit_store_restored"}),
        (
            Listening("http://localhost:8000", "http://127.0.0.1:8001", "1.2.3", "plain", "3.11.2", 7),
            {
                "level": "info",
                "event": "listening",
                "public": "http://localhost:8000",
                "admin": "http://127.0.0.1:8001",
                "version": "1.2.3",
                "build": "plain",
                "python": "3.11.2",
                "pid": 7,
            },
        ),
        (
            LimitTooLow("Too few.", "Raise it."),
            {"level": "warning", "event": "limit_too_low", "text": "Too few.", "fix": "Raise it."},
        ),
        (
            VariablesIgnored(("POSTGATE_PORT",), "Change it."),
            {
                "level": "warning",
                "event": "variables_ignored",
                "names": ["POSTGATE_PORT"],
                "fix": "Change it.",
            },
        ),
        (
            NotReady(postgrest="It answers with status 503."),
            {"level": "warning", "event": "not_ready", "postgrest": "It answers with status 503."},
        ),
        (BecameReady(), {"level": "info", "event": "became_ready"}),
        (Drained(7), {"level": "info", "event": "drained", "pid": 7}),
        (
            WorkerExited(-9, 1, 0.5),
            {"level": "warning", "event": "worker_exited", "status": -9, "index": 1, "retry_seconds": 0.5},
        ),
        (
            StopForced(7, "deadline"),
            {"level": "warning", "event": "stop_forced", "pid": 7, "reason": "deadline"},
        ),
        (
            SettingsReloaded(("POSTGATE_LOGIN_URL",), ()),
            {
                "level": "info",
                "event": "settings_reloaded",
                "changed": ["POSTGATE_LOGIN_URL"],
                "need_restart": [],
            },
        ),
        (
            SettingsRejected(("POSTGATE_PORT is wrong",)),
            {"level": "warning", "event": "settings_rejected", "problems": ["POSTGATE_PORT is wrong"]},
        ),
        (LogLinesLost(4), {"level": "warning", "event": "log_lines_lost", "lines": 4}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_event_is_one_line(event: Event, line: dict[str, Any]) -> None:
    assert line_of(event) == line


def test_a_line_begins_with_its_time_its_level_and_its_event() -> None:
    written = Written().tell(RELAYED, RevocationsConnected(3))
    for line in written.text.splitlines():
        assert list(json.loads(line))[:3] == ["time", "level", "event"]
        assert re.match(r'\{"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z","level":"', line)


def test_the_line_of_a_request_that_is_nobodys_has_all_the_same_fields() -> None:
    line = line_of(STRANGER)
    assert set(line) == set(RELAYED_LINE)
    assert (line["role"], line["subject"], line["session"], line["trace_id"]) == (None,) * 4


def test_a_terminal_reads_the_same_in_words() -> None:
    text = Written(as_json=False).tell(RELAYED, RequestRejected(b"id-1", b"GET", 401, "GW201", "so so")).text
    times = re.sub(r"^\d\d:\d\d:\d\d\.\d{3} ", "", text, flags=re.MULTILINE)
    assert times == (
        "info    request_relayed request_id=id-1 client=192.0.2.7 method=GET path=/rest/items route=rest "
        "status=200 bytes_in=12 bytes_out=1234 seconds=0.012346 upstream_seconds=0.01 role=web subject=u1 "
        "session=s1 trace_id=0af7651916cd43dd8448eb211c80319c\n"
        'info    request_rejected request_id=id-1 method=GET status=401 code=GW201 reason="so so"\n'
    )


@pytest.mark.parametrize(
    "event", [RELAYED, OptionsHandled(b"id-1", "", b"/"), RequestVerified(b"id-1", b"GET", "web", "u1", 0.1)]
)
def test_requests_are_written_only_where_that_is_wanted(event: Event) -> None:
    assert Written(requests=False).tell(event).text == ""
    assert Written(requests=True).tell(event).text.count("\n") == 1


def test_a_limit_is_counted_and_its_refusal_written() -> None:
    assert Written().tell(LimitReached("login", "pair")).text == ""


@pytest.mark.parametrize(
    "event",
    [
        STRANGER,
        OptionsHandled(b"id-1", "", b"/"),
        RequestRejected(b"id-1", b"GET", 401, "GW200", ""),
        RelayAborted(b"id-1", "rest", "client gone", STRANGER),
        FunctionCalled(b"id-1", "login", 401, 0.1),
        FunctionFailed(b"id-1", "login", "P0001"),
        SessionRenewed(b"id-1", is_renewed=False, seconds=0.1),
    ],
    ids=lambda event: type(event).__name__,
)
def test_a_stranger_causes_so_many_lines_in_a_second_and_one_that_counts_the_others(event: Event) -> None:
    written = Written(lines_per_second=3).tell(*[event] * 10)
    assert len(written.objects) == 3
    written.seconds = 1.0
    written.lines.tick()
    kind = written.objects[0]["event"]
    assert written.objects[3:] == [{"level": "warning", "event": "lines_suppressed", "of": kind, "lines": 7}]
    written.tell(event)
    assert written.objects[4]["event"] == kind
    written.seconds = 2.0
    written.lines.tick()
    assert len(written.objects) == 5


@pytest.mark.parametrize(
    "event",
    [
        RELAYED,
        FunctionCalled(b"id-1", "login", 204, 0.1),
        SessionRenewed(b"id-1", is_renewed=True, seconds=0.1),
        InternalFailure(b"id-1", ValueError()),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_no_stranger_can_cause_is_written_each_time(event: Event) -> None:
    assert len(Written(lines_per_second=3).tell(*[event] * 10).objects) == 10


def test_a_flood_of_one_kind_hides_no_other() -> None:
    written = Written(lines_per_second=3)
    written.tell(*[RequestRejected(b"id-1", b"GET", 401, "GW200", "")] * 10)
    written.tell(FunctionFailed(b"id-2", "login", "P0001"))
    assert written.objects[-1]["event"] == "function_failed"


def test_what_is_reloaded_holds_from_the_next_line_on() -> None:
    written = Written(requests=False, lines_per_second=1)
    written.lines.adopt("text", requests=True, lines_per_second=2)
    written.tell(RELAYED, *[STRANGER] * 5)
    assert [line[13:36] for line in written.text.splitlines()] == ["info    request_relayed"] * 3


def test_lines_that_were_lost_are_told_of_once_somebody_reads_again() -> None:
    written = Written()
    written.kept._dropped, written.kept.is_full = 4, True
    written.lines.tick()
    assert (written.text, written.lines.lost) == ("", 4)
    written.kept.is_full = False
    for _ in range(2):
        written.lines.tick()
    assert written.objects == [{"level": "warning", "event": "log_lines_lost", "lines": 4}]


def _fail(argument: str) -> None:
    cause = LookupError(f"the cause says {argument}")
    raise ValueError(f"invalid input for query argument: {argument}") from cause


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
def test_a_defect_is_logged_with_its_type_and_place_but_without_its_text(as_json: bool) -> None:  # noqa: FBT001
    """A driver's error tells the argument that it could not encode: it may be a password."""
    with pytest.raises(ValueError, match="hunter2") as failed:
        _fail("hunter2")
    text = Written(as_json=as_json).tell(InternalFailure(b"id-1", failed.value)).text
    for told in ("error", "id-1", "ValueError", "LookupError", "test_logs.py", "in _fail"):
        assert told in text
    assert "hunter2" not in text
    assert "Traceback" not in text


def test_what_libraries_say_stands_in_the_same_log_without_the_text_of_errors() -> None:
    written = Written()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        catch_foreign(written.log)
        loop = asyncio.BaseEventLoop()
        try:
            _fail("hunter2")
        except ValueError as error:
            loop.create_future().set_exception(error)  # which nobody awaits
        loop.close()
        logging.getLogger("uvicorn.error").info("not worth a line")
    finally:
        root.handlers[:], root.level = before
    (line,) = written.objects
    told = {name: line.pop(name) for name in ("errors", "frames")}
    assert line == {
        "level": "error",
        "event": "message",
        "logger": "asyncio",
        "message": "Future exception was never retrieved",
    }
    assert told["errors"] == ["builtins.ValueError", "builtins.LookupError"]
    assert "in _fail" in told["frames"][-1]
    assert "hunter2" not in written.text


def test_json_is_for_whatever_is_no_terminal() -> None:
    class Stream:
        def __init__(self, *, terminal: bool) -> None:
            self.isatty = lambda: terminal

    pipe, terminal = Stream(terminal=False), Stream(terminal=True)
    forms = [(form, is_json(form, pipe), is_json(form, terminal)) for form in ("auto", "json", "text")]  # type: ignore[arg-type]
    assert forms == [("auto", True, False), ("json", True, True), ("text", False, False)]
