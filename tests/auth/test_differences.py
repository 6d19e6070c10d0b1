"""Every deliberate difference from PostgREST, with both answers. docs/auth-functions.md says why."""

import base64
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path

import jwt
import pytest

from app.devstack import DevStack

from .calling import CSV, FORM, JSON, TEXT, Request, comparable, post, to_postgrest, told
from .conftest import Call

pytestmark = pytest.mark.anyio

Told = tuple[int, str | None]
CREDENTIALS = '{"user_":"demo","pass":"demo"}'
DOCUMENT = Path(__file__).parents[2] / "docs/auth-functions.md"


@dataclass(frozen=True, slots=True)
class Difference:
    """The same request, told apart by status and code at least, or else by a header or the body."""

    request: Request
    ours: Told
    theirs: Told  # of PostgREST 12.0.2


def _accept(value: bytes) -> Request:
    return post("comp", "{}", JSON, (b"accept", value))


def _prefer(value: bytes) -> Request:
    return post("setof_int", "{}", JSON, (b"prefer", value))


def _columns(value: bytes) -> Request:
    return post("optional", '{"a":"x"}', query=b"columns=" + value)


def _hdr(headers: str) -> Request:
    return post("hdr", json.dumps({"h": headers}))


def _st(status: str) -> Request:
    return post("st", json.dumps({"s": status}))


def _raise(state: str, message: str = "m") -> Request:
    return post("raise_state", json.dumps({"state": state, "message": message}))


def _raise_pgrst(detail: str) -> Request:
    return post("raise_pgrst", json.dumps({"message": '{"code":"X","message":"m"}', "detail": detail}))


WITHHELD = "Errors of the database"
LEAKS = "Nothing is left on a session"
UNAVAILABLE = "No database"
COOKIES = "Cookies"  # tests/system/test_kept_cookies.py
NOT_A_HEADER = (500, "PGRST111")
NOT_A_STATUS = (500, "PGRST112")

DIFFERENCES: dict[str, dict[str, Difference]] = {
    "The caller is always anonymous": {
        "any bearer": Difference(
            post("login", CREDENTIALS, JSON, (b"authorization", b"Bearer x.y.z")),
            (204, None),
            (401, "PGRST301"),
        ),
        "Authorization seen by SQL": Difference(
            post("header", '{"name":"authorization"}', JSON, (b"authorization", b"Basic eDp5")),
            (200, None),
            (200, None),
        ),
    },
    "Query": {
        "query": Difference(
            post("login", query=b"user_=demo&pass=demo"), (400, "PGRST100"), (400, "PGRST100")
        ),
        "query that filters": Difference(post("comp", query=b"token=eq.x"), (400, "PGRST100"), (200, None)),
        "query that selects": Difference(post("comp", query=b"select=token"), (400, "PGRST100"), (200, None)),
        "query that limits": Difference(post("comp", query=b"limit=1"), (400, "PGRST100"), (200, None)),
        "columns with a path": Difference(_columns(b"a.b"), (404, "PGRST202"), (200, None)),
        "columns with brackets": Difference(_columns(b"(a)"), (404, "PGRST202"), (400, "PGRST100")),
        "columns and malformed JSON": Difference(
            post("scalar_text", "not json", query=b"columns=a"), (400, "PGRST102"), (400, "22P02")
        ),
    },
    "Body": {
        "nested deeply": Difference(
            post("scalar_text", '{"a":' + "[" * 300 + "]" * 300 + "}"), (400, "PGRST102"), (200, None)
        ),
        "nested too deeply for Postgres": Difference(
            post("scalar_text", '{"a":' + "[" * 20000 + "]" * 20000 + "}"), (400, "PGRST102"), (413, "54001")
        ),
        "nothing for a whole json": Difference(post("jsonarg", ""), (200, None), (400, "22P02")),
        "form with a semicolon": Difference(
            post("scalar_text", "a=1;b=2", FORM), (200, None), (404, "PGRST202")
        ),
        "form with empty pieces": Difference(
            post("scalar_text", "&a=1&", FORM), (200, None), (404, "PGRST202")
        ),
        "form that is not UTF-8": Difference(
            post("scalar_text", "a=%FF", FORM), (400, "PGRST102"), (500, None)
        ),
        "CSV that is not UTF-8": Difference(
            post("scalar_text", b"a\n\xff\n", CSV), (400, "PGRST102"), (500, None)
        ),
        "CSV with a stray quote": Difference(
            post("scalar_text", 'a\n"x\n', CSV), (400, "PGRST102"), (200, None)
        ),
        "text that is not UTF-8": Difference(
            post("textarg", b"\xff", TEXT), (400, "PGRST102"), (400, "22021")
        ),
        "whole json with NUL": Difference(post("jsonarg", '{"a":"\\u0000"}'), (200, None), (400, "22P05")),
        "text with NUL": Difference(post("textarg", b"a\x00b", TEXT), (400, "22021"), (200, None)),
    },
    "Accept and Prefer": {
        "Accept": Difference(_accept(b"text/html"), (406, "PGRST107"), (415, "PGRST107")),
        "Accept without nulls": Difference(
            _accept(b"application/vnd.pgrst.array+json;nulls=stripped"), (200, None), (200, None)
        ),
        "Accept GeoJSON": Difference(_accept(b"application/geo+json"), (406, "PGRST107"), (404, "42883")),
        "singular of many": Difference(
            post("setof_int", "{}", JSON, (b"accept", b"application/vnd.pgrst.object+json")),
            (406, "PGRST116"),
            (406, "PGRST116"),
        ),
        "Prefer time zone": Difference(_prefer(b"timezone=Asia/Tokyo"), (200, None), (200, None)),
        "Prefer planned": Difference(_prefer(b"count=planned"), (200, None), (200, None)),
        "Prefer estimated": Difference(_prefer(b"count=estimated"), (200, None), (200, None)),
        "Prefer strict": Difference(_prefer(b"handling=strict, foo"), (200, None), (400, "PGRST122")),
    },
    "Later versions of PostgREST": {
        "A23 Prefer single object": Difference(
            _prefer(b"params=single-object"), (200, None), (404, "PGRST202")
        ),
        "raised 22023 role": Difference(
            _raise("22023", 'role "x" does not exist'), (401, "22023"), (400, "22023")
        ),
        "raised 21000": Difference(_raise("21000"), (500, "21000"), (400, "21000")),
        "raised 42P17": Difference(_raise("42P17"), (500, "42P17"), (400, "42P17")),
        "raised 53400": Difference(_raise("53400"), (500, "53400"), (503, "53400")),
        "raised 54001": Difference(_raise("54001"), (500, "54001"), (413, "54001")),
    },
    "Hints": {
        "hint for another function": Difference(post("nope"), (404, "PGRST202"), (404, "PGRST202")),
        "hint for one name": Difference(post("optional", '{"b":"x"}'), (404, "PGRST202"), (404, "PGRST202")),
    },
    "Header and status rules": {
        "E17 CR LF in a header": Difference(
            _hdr('[{"X-A":"1\\r\\nX-Injected: yes"}]'), NOT_A_HEADER, (204, None)
        ),
        "E19 empty name": Difference(_hdr('[{"":"x"}]'), NOT_A_HEADER, (204, None)),
        "NUL in a header": Difference(_hdr('[{"X":"a\\u0000b"}]'), NOT_A_HEADER, (204, None)),
        "blank in a name": Difference(_hdr('[{"A b":"x"}]'), NOT_A_HEADER, (204, None)),
        "colon in a name": Difference(_hdr('[{"X:Y":"1"}]'), NOT_A_HEADER, (204, None)),
        "letter in a name": Difference(_hdr('[{"é":"x"}]'), NOT_A_HEADER, (204, None)),
        "framing header": Difference(_hdr('[{"Content-Length":"0"}]'), (204, None), (204, None)),
        "connection header": Difference(_hdr('[{"Connection":"close"}]'), (204, None), (204, None)),
        "PGRST with a connection header": Difference(
            _raise_pgrst('{"status":418,"headers":{"Connection":"close"}}'), (418, "X"), (418, "X")
        ),
        "E24 status 999": Difference(_st("999"), NOT_A_STATUS, (999, None)),
        "status 600": Difference(_st("600"), NOT_A_STATUS, (600, None)),
        "PT999": Difference(_raise("PT999"), (500, "PT999"), (999, "PT999")),
        "PGRST 999": Difference(_raise_pgrst('{"status":999,"headers":{}}'), (500, "PGRST121"), (999, "X")),
        "PGRST with CR LF": Difference(
            _raise_pgrst('{"status":418,"headers":{"X":"1\\r\\nY: 2"}}'), (500, "PGRST121"), (418, "X")
        ),
    },
    "Errors of the database": {
        "raised 53300": Difference(_raise("53300"), (503, "53300"), (503, "53300")),
        "raised 08006": Difference(_raise("08006"), (503, "08006"), (503, "08006")),
        "raised 57P01": Difference(_raise("57P01"), (503, "57P01"), (503, "57P01")),
    },
}


@pytest.mark.parametrize(
    "difference",
    [pytest.param(it, id=name) for group in DIFFERENCES.values() for name, it in group.items()],
)
async def test_a_difference_is_what_it_is_said_to_be(
    call: Call, recipes: DevStack, difference: Difference
) -> None:
    ours = await call(difference.request)
    theirs = to_postgrest(recipes.postgrest_url, difference.request)

    assert (told(ours), told(theirs)) == (difference.ours, difference.theirs)
    assert comparable(ours) != comparable(theirs), "this is no difference (any more)"


def test_every_topic_is_explained() -> None:
    headings = {line[4:] for line in DOCUMENT.read_text().splitlines() if line.startswith("### ")}

    assert headings == {*DIFFERENCES, WITHHELD, LEAKS, UNAVAILABLE, COOKIES}


@pytest.mark.parametrize("token", ["expired", "of a role that anon is not"])
async def test_a_bearer_blocks_nobody_from_signing_in(call: Call, recipes: DevStack, token: str) -> None:
    now = int(time.time())
    claims = {"role": "basic_subscriber", "exp": now + (600 if token != "expired" else -600)}
    bearer = jwt.encode(claims, base64.b64decode(recipes.jwt_secret), "HS256")
    request = post("login", CREDENTIALS, JSON, (b"authorization", f"Bearer {bearer}".encode()))

    assert told(to_postgrest(recipes.postgrest_url, request))[0] in {401, 403}
    assert told(await call(request)) == (204, None)


async def test_a_query_parameter_is_not_repeated_in_the_answer(call: Call) -> None:
    """It may be a password in the wrong place."""
    reply = await call(post("login", query=b"user_=demo&pass=hunter2"))

    assert b"hunter2" not in reply.body


WITHHELD_TEXTS = {
    "undefined function": post("undefined"),
    "ambiguous column": post("ambiguous"),
    "unknown table": post("no_table"),
    "server error passed on": post("rethrown"),
    "duplicate key": post("duplicate", '{"token":"hunter2"}'),
    "broken reference": post("broken_reference", '{"token":"hunter2"}'),
    "broken at commit": post("fails_at_commit"),
    "write in a read-only transaction": post("writes_as_stable"),
    "permission denied": post("forbidden"),
    "A43 NUL": post("login", '{"user_":"a\\u0000b","pass":"x"}'),
    "E42 wrong type": post("scalar_int", '{"a":"hunter2"}'),
    "malformed array": post("many", '{"v":"hunter2"}'),
    "malformed XML": post("xmlarg", "<hunter2", b"text/xml"),
    "out of range": post("scalar_int", '{"a":99999999999}'),
    "statement timeout": post("too_slow"),
}


@pytest.mark.parametrize("request_", WITHHELD_TEXTS.values(), ids=WITHHELD_TEXTS.keys())
async def test_what_the_server_says_is_withheld(call: Call, recipes: DevStack, request_: Request) -> None:
    """Status, code and headers are PostgREST's; the words are not, unless an author chose them."""
    ours, theirs = await call(request_), to_postgrest(recipes.postgrest_url, request_)

    assert comparable(ours)[:2] == comparable(theirs)[:2]
    error = json.loads(ours.body)
    assert error["code"] == json.loads(theirs.body)["code"] == ours.sqlstate
    assert (error["details"], error["hint"]) == (None, None)
    assert error["message"] in {
        "The database refused the call.",
        "The database failed to carry out the call.",
    }


async def test_marks_that_a_function_leaves_on_its_session_reach_nobody_else(
    call: Call, recipes: DevStack
) -> None:
    """PostgREST 12 gives the next caller the headers and the status of the one before."""
    leave, look = post("leaves_marks"), post("scalar_int")

    with_one_connection = recipes.start_postgrest(replace(recipes.options, environ={"PGRST_DB_POOL": "1"}))
    to_postgrest(with_one_connection.url, leave)
    assert told(to_postgrest(with_one_connection.url, look)) == (418, None)

    assert (await call(leave)).status == 418
    assert comparable(await call(look)) == (200, comparable(await call(post("scalar_int")))[1], b"1")
