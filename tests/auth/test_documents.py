"""JSON at the border: what is read, what is refused, and how fast."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.documents import MAX_DEPTH, compact, parse

from .properties import tried

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
HALF_A_SECOND = 0.5


@tried
@given(VALUES)
def test_what_is_written_is_read_again(value: object) -> None:
    assert parse(compact(value)) == value


@tried
@given(st.text())
def test_any_text_is_a_value_or_a_value_error(text: str) -> None:
    try:
        value = parse(text)
    except ValueError:
        return
    assert value == json.loads(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "NaN", "-Infinity", "[1,]", "01", "'a'", "\ufeff{}", '"\t"', "{}x", "{}\0", "\x0b{}"),
        *('"\\ud800"', '"\\udc00\\ud800"', '{"\\udfff":1}', '{"a":["\\uD83D"]}', '"\\u00"', '"\\x41"'),
        *("[" * 1000, "[" * 1_000_000, "[" * 300 + "]" * 300, '{"a":' * 300 + "1" + "}" * 300),
    ],
)
def test_what_is_no_json_is_refused(text: str) -> None:
    assert _is_refused(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a":1,"a":2}', {"a": 2}),
        ('"\\ud83d\\ude00"', "😀"),
        ('"\\\\ud800"', "\\ud800"),
        ("1e999", float("inf")),
        ("1" * 5000, float("inf")),
        ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
        ('"' + "[" * 1000 + '"', "[" * 1000),
        ('"\\"' + "[" * 1000 + '"', '"' + "[" * 1000),
        ("[" + ",".join(["[]"] * 1000) + "]", [[]] * 1000),
        (" \n\r\t{} ", {}),
    ],
    ids=repr,
)
def test_what_is_json_is_read(text: str, value: object) -> None:
    assert parse(text) == value or value is None


@pytest.mark.parametrize("text", ["[" * 65_536, "[]," * 20_000, '{"' * 30_000, '"\\' * 30_000, '"' * 65_536])
def test_nothing_of_the_size_of_a_body_takes_long(text: str) -> None:
    began = time.perf_counter()
    assert _is_refused(text)
    assert time.perf_counter() - began < HALF_A_SECOND


def _is_refused(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return True
    return False
