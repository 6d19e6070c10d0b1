"""Whatever bytes come, the answer is a well-formed reply or a refusal of the gateway's own."""

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth.functions import AuthFunctions, FunctionCall
from app.auth.replies import Reply
from app.devstack import DevStack

from .calling import CSV, FORM, JSON, TEXT
from .conftest import SETTINGS
from .properties import tried

FUNCTIONS = (
    *("login", "logout", "refresh_token", "ctx", "mixed", "many", "optional", "jsonarg", "textarg"),
    *("byteaarg", "xmlarg", "scalar_text", "setof_table", "typed", "nope"),
)
MEDIA = (JSON, FORM, CSV, TEXT, b"text/xml", b"application/octet-stream", b"application/x")
NAMES = [b"user_", b"pass", b"a", b"b", b"v", b"l", b"t", b"n", b""]

raw = st.binary(max_size=60)
# A header line can hold every byte but these (RFC 9110 section 5.5)
line = raw.map(lambda value: re.sub(rb"[\x00\r\n]", b"?", value))
json_value = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
json_object = st.dictionaries(st.sampled_from([name.decode() for name in NAMES]), json_value, max_size=4)
json_body = (json_object | st.lists(json_object, max_size=3) | json_value).map(
    lambda value: json.dumps(value).encode()
)
pairs = st.lists(st.tuples(st.sampled_from(NAMES), raw), max_size=4)
form_body = pairs.map(lambda fields: b"&".join(name + b"=" + value for name, value in fields))
csv_body = st.lists(st.lists(raw, min_size=1, max_size=3), max_size=3).map(
    lambda rows: b"\n".join(b",".join(row) for row in rows)
)
query = raw | form_body | raw.map(lambda value: b"columns=" + value)
headers = st.lists(
    st.tuples(
        st.sampled_from([b"cookie", b"accept", b"prefer", b"content-type", b"x-any", b"authorization"])
        | line.map(bytes.lower),
        line | st.sampled_from([*MEDIA, b"count=exact", b"*/*", b"text/csv", b'a="\\; b']),
    ),
    max_size=5,
)
calls = st.builds(
    lambda name, media, query, headers, body: FunctionCall(
        name, f"/rpc/{name}", query, [*media, *headers], body
    ),
    st.sampled_from(FUNCTIONS),
    st.sampled_from([[], *([(b"content-type", media)] for media in MEDIA)]),
    st.just(b"") | query,
    headers,
    raw | json_body | form_body | csv_body,
)


class _Runner:
    """One loop and one pool for all examples: plain code that Hypothesis can call again and again."""

    def __init__(self, dsn: str) -> None:
        self._loop = asyncio.Runner()
        self._pool = self._loop.run(self._open(dsn))
        self._functions = AuthFunctions(self._pool, schema="auth", anon_role="anon", settings=SETTINGS)

    def call(self, call: FunctionCall) -> Reply:
        return self._loop.run(self._functions.call(call))

    def close(self) -> None:
        self._loop.run(self._pool.close())
        self._loop.close()

    async def _open(self, dsn: str) -> Any:
        return await asyncpg.create_pool(dsn, min_size=0, max_size=1)


@pytest.fixture(scope="module")
def runner(recipes: DevStack) -> Iterator[_Runner]:
    runner = _Runner(recipes.gateway_dsn)
    yield runner
    runner.close()


@tried
@given(call=calls)
def test_any_request_gets_a_reply(runner: _Runner, call: FunctionCall) -> None:
    _check(runner.call(call))


@tried
@given(
    cookies=st.lists(line, max_size=3), values=st.lists(st.tuples(line.map(bytes.lower), line), max_size=3)
)
def test_what_sql_sees_of_a_request_is_json_and_nothing_of_the_secret(
    runner: _Runner, cookies: list[bytes], values: list[tuple[bytes, bytes]]
) -> None:
    lines = [*((b"cookie", cookie) for cookie in cookies), *values]
    reply = runner.call(FunctionCall("ctx", "/rpc/ctx", b"", [(b"content-type", JSON), *lines], b"{}"))

    if reply.status == 406:  # one of the names was accept
        return
    seen = json.loads(reply.body)
    assert reply.status == 200
    assert all(isinstance(value, str) for part in ("cookies", "headers") for value in seen[part].values())
    assert {"cookie", "authorization"}.isdisjoint(seen["headers"])
    assert seen["role"] == "anon"


@tried
@given(text=st.text(max_size=40) | json_value.map(json.dumps))
def test_any_response_headers_make_a_reply(runner: _Runner, text: str) -> None:
    body = json.dumps({"h": text}).encode()

    _check(runner.call(FunctionCall("hdr", "/rpc/hdr", b"", [], body)))


@tried
@given(name=st.text(max_size=8), value=st.text(max_size=8))
def test_any_single_response_header_is_sent_whole_or_refused(runner: _Runner, name: str, value: str) -> None:
    body = json.dumps({"h": json.dumps([{name: value}])}).encode()
    reply = runner.call(FunctionCall("hdr", "/rpc/hdr", b"", [], body))

    _check(reply)
    if reply.status == 204:
        assert (name.encode(), value.encode()) in reply.headers or name.lower() in {
            "te",
            "upgrade",
            "trailer",
        }


@tried
@given(text=st.text(max_size=12))
def test_any_response_status_makes_a_reply(runner: _Runner, text: str) -> None:
    body = json.dumps({"s": text}).encode()

    reply = runner.call(FunctionCall("st", "/rpc/st", b"", [], body))

    _check(reply, of_function=reply.sqlstate is None)


def _check(reply: Reply, *, of_function: bool = False) -> None:
    """`of_function`: the function chose the status, and the body is its result."""
    assert 200 <= reply.status <= 599
    for name, value in reply.headers:
        assert re.fullmatch(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+", name)
        assert not re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value)
        assert name.lower() not in {b"content-length", b"transfer-encoding", b"connection"}
    if reply.status >= 400 and not of_function:
        assert list(json.loads(reply.body)) == ["code", "details", "hint", "message"]
    if reply.status in {204, 304}:
        assert reply.body == b""
