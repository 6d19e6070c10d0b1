"""Nothing that a client, a token or a database says begins a line, ends one, or looks like another field."""

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.events import (
    Event,
    FunctionCalled,
    RelayAborted,
    RequestRejected,
    RequestRelayed,
    RevocationsDisconnected,
)

from .properties import tried
from .written import Written

ANY_BYTES = st.binary(max_size=80)
ANY_TEXT = st.text(max_size=80) | st.text(st.characters(categories=["Cs", "Cc", "Zl", "Zp"]), max_size=8)
FORGED = b'x","status":200}\n{"event":"forged"}\r\n\x1b[2J\x85\xe2\x80\xa8'


def relayed(path: bytes, method: bytes, told: str) -> RequestRelayed:
    return RequestRelayed(
        b"id-1",
        "rest",
        method,
        401,
        told,
        told,
        1,
        0.1,
        client=told,
        path=path,
        session=told,
        trace=path.ljust(55, b"-"),
    )


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "text"])
@tried
@given(path=ANY_BYTES, method=ANY_BYTES, told=ANY_TEXT)
@example(path=FORGED, method=FORGED, told=FORGED.decode("latin-1"))
def test_a_line_is_one_line_and_its_fields_are_its_own(
    as_json: bool,  # noqa: FBT001
    path: bytes,
    method: bytes,
    told: str,
) -> None:
    asked = relayed(path, method, told)
    events: list[Event] = [
        asked,
        RelayAborted(b"id-1", "rest", told, asked),
        RequestRejected(b"id-1", method, 401, "GW200", told, told, path),
        FunctionCalled(b"id-1", told, 204, 0.1, told, path),
        RevocationsDisconnected(told),
    ]
    for event in events:
        text = Written(as_json=as_json).tell(event).text
        assert text.endswith("\n")
        assert text[:-1].isprintable()
        assert text.isascii()
        if not as_json:
            assert_fields_are_apart(text)


def assert_fields_are_apart(text: str) -> None:
    """Each field is a name and a value without blanks, or with quotes around it."""
    fields = re.fullmatch(r'\S+ \w+ +\w+((?: \w+=(?:[^"\s=\\]+|"(?:[^"\\]|\\.)*"|\d+|true|false))*)\n', text)
    assert fields, text


@tried
@given(path=ANY_BYTES, method=ANY_BYTES, told=ANY_TEXT)
@example(path=FORGED, method=FORGED, told=FORGED.decode("latin-1"))
def test_what_was_told_is_read_again_as_it_was(path: bytes, method: bytes, told: str) -> None:
    (line,) = (json.loads(line) for line in Written().tell(relayed(path, method, told)).text.splitlines())
    assert list(line) == [
        "time", "level", "event", "request_id", "client", "method", "path", "route", "status", "bytes_in",
        "bytes_out", "seconds", "upstream_seconds", "role", "subject", "session", "trace_id",
    ]  # fmt: skip
    assert (line["event"], line["status"]) == ("request_relayed", 401)
    assert (line["path"], line["method"]) == (path.decode("latin-1"), method.decode("latin-1"))
    same = json.loads(json.dumps(told))  # two halves of a character become one
    assert line["client"] == line["role"] == line["subject"] == line["session"] == same


@tried
@given(path=ANY_BYTES, method=ANY_BYTES, told=ANY_TEXT)
def test_the_short_way_writes_what_the_long_way_does(path: bytes, method: bytes, told: str) -> None:
    """The line of a relay that ended early takes the long way."""
    asked = relayed(path, method, told)
    short, long = Written().tell(asked, RelayAborted(b"id-1", "rest", "", asked)).objects
    assert {**short, "event": "relay_aborted", "reason": ""} == long
