"""Answers as PostgREST 12.0.2 gave them when they were recorded, for calls through the gateway alone."""

import json
import re

import pytest

from app.auth.replies import Reply

from .calling import CSV, FORM, JSON, Headers, Request, post
from .conftest import Call

pytestmark = pytest.mark.anyio

RANGE = (b"Content-Range", b"0-0/*")
BODY = (b"Content-Type", b"application/json; charset=utf-8")
BEARER = (b"WWW-Authenticate", b"Bearer")

LOGGED_IN = (
    RANGE,
    (b"Set-Cookie", b"access_token=...; Path=/; HttpOnly;"),
    (b"Set-Cookie", b"refresh_token=...; Path=/rpc/refresh_token; HttpOnly;"),
)
REFRESHED = LOGGED_IN[:2]


def _error(code: str, message: str, *, details: str | None = None, hint: str | None = None) -> bytes:
    values = {"code": code, "details": details, "hint": hint, "message": message}
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode()


def _not_found(arguments: str, searched: str, hint: str | None = None) -> bytes:
    return _error(
        "PGRST202",
        f"Could not find the function auth.login{arguments} in the schema cache",
        details=f"Searched for the function auth.login {searched} or with a single unnamed json/jsonb"
        " parameter, but no matches were found in the schema cache.",
        hint=hint,
    )


HINT = "Perhaps you meant to call the function auth.login(pass, user_)"
WRONG_PASSWORD = _error("PT401", "Invalid user or password")
WRONG_TOKEN = _error("PT401", "Invalid or expired refresh token")
BAD_HEADERS = _error(
    "PGRST111",
    "response.headers guc must be a JSON array composed of objects with a single key and a string value",
)
BAD_STATUS = _error("PGRST112", "response.status guc must be a valid status code")
BAD_RAISE = _error("PGRST121", "The message and detail field of RAISE 'PGRST' error expects JSON")
CUSTOM = '{"code":"X123","message":"Custom msg","details":"some details","hint":"a hint"}'


def _hdr(value: str) -> Request:
    return post("hdr", json.dumps({"h": value}))


def _raise_pgrst(message: str, detail: str) -> Request:
    return post("raise_pgrst", json.dumps({"message": message, "detail": detail}))


RECORDED: dict[str, tuple[Request, int, Headers, bytes]] = {
    "A1": (post("login", '{"user_":"demo","pass":"demo"}'), 204, LOGGED_IN, b""),
    "A2": (post("login", '{"user_":"demo","pass":"bad"}'), 401, (BODY, BEARER), WRONG_PASSWORD),
    "A5": (
        post("login", '{"user_":"demo"}'),
        404,
        (BODY,),
        _not_found("(user_)", "with parameter user_", HINT),
    ),
    "A6": (
        post("login", '{"user_":"demo","pass":"demo","x":1}'),
        404,
        (BODY,),
        _not_found("(pass, user_, x)", "with parameters pass, user_, x", HINT),
    ),
    "A7": (post("login", '{"user_":"demo",'), 400, (BODY,), _error("PGRST102", "Empty or invalid json")),
    "A8": (post("login", ""), 404, (BODY,), _not_found(" without parameters", "without parameters")),
    "A12": (post("login", '{"user_":123,"pass":456}'), 401, (BODY, BEARER), WRONG_PASSWORD),
    "A14": (post("login", "user_=demo&pass=demo", FORM), 204, LOGGED_IN, b""),
    "A15": (post("login", "user_=demo&pass=demo&pass=bad", FORM), 401, (BODY, BEARER), WRONG_PASSWORD),
    "A17": (post("login", '{"user_":"demo","pass":"demo"}', None), 204, LOGGED_IN, b""),
    "A21": (post("login", "user_,pass\ndemo,demo\n", CSV), 204, LOGGED_IN, b""),
    "A22": (
        post("login", "", b"multipart/form-data; boundary=b"),
        400,
        (BODY,),
        _error("PGRST102", "Content-Type not acceptable: multipart/form-data"),
    ),
    "A24": (
        post("login", '{"user_":"demo","pass":"demo"}', JSON, (b"prefer", b"tx=rollback, count=exact")),
        204,
        ((b"Content-Range", b"0-0/1"), (b"Preference-Applied", b"count=exact"), *LOGGED_IN[1:]),
        b"",
    ),
    "A45": (post("login", '{"user_":"demo","pass":"bad","pass":"demo"}'), 204, LOGGED_IN, b""),
    "B3": (post("refresh_token", ""), 401, (BODY, BEARER), WRONG_TOKEN),
    "C1": (
        post("logout", "", None),
        204,
        (
            RANGE,
            (b"Set-Cookie", b"access_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT;"),
            (b"Set-Cookie", b"refresh_token=; path=/; expires=Thu, 01 Jan 1970 00:00:00 GMT;"),
        ),
        b"",
    ),
    "E1": (
        post("pt402"),
        402,
        (BODY,),
        _error("PT402", "Payment Required", details="Quota exceeded", hint="Upgrade your plan"),
    ),
    "E3": (
        post("raise_state", '{"state":"PTABC","message":"bad pt"}'),
        500,
        (BODY,),
        _error("PTABC", "bad pt", details="d", hint="h"),
    ),
    "E4": (
        _raise_pgrst(CUSTOM, '{"status":418,"headers":{"X-Powered-By":"Nerd","Set-Cookie":"a=b"}}'),
        418,
        (BODY, (b"Set-Cookie", b"a=b"), (b"X-Powered-By", b"Nerd")),
        _error("X123", "Custom msg", details="some details", hint="a hint"),
    ),
    "E5": (_raise_pgrst("nope", "nope"), 500, (BODY,), BAD_RAISE),
    "E6": (post("raise_plain"), 400, (BODY,), _error("P0001", "plain", details="d", hint="h")),
    "E8": (
        _hdr('[{"Set-Cookie":"a=1"},{"Set-Cookie":"b=2"},{"X-A":"1"},{"x-a":"2"}]'),
        204,
        (RANGE, (b"Set-Cookie", b"a=1"), (b"Set-Cookie", b"b=2"), (b"X-A", b"1"), (b"x-a", b"2")),
        b"",
    ),
    "E9": (
        _hdr('[{"Content-Range":"9-9/9"},{"Server":"me"},{"Date":"never"},{"Content-Type":"text/x"}]'),
        204,
        (
            (b"Content-Range", b"9-9/9"),
            (b"Server", b"me"),
            (b"Date", b"never"),
            (b"Content-Type", b"text/x"),
        ),
        b"",
    ),
    "E10": (_hdr("nope"), 500, (BODY,), BAD_HEADERS),
    "E11": (_hdr('{"a":"b"}'), 500, (BODY,), BAD_HEADERS),
    "E12": (_hdr('[{"a":"b","c":"d"}]'), 500, (BODY,), BAD_HEADERS),
    "E13": (_hdr('[{"a":1}]'), 500, (BODY,), BAD_HEADERS),
    "E14": (_hdr("[]"), 204, (RANGE,), b""),
    "E15": (_hdr(""), 204, (RANGE,), b""),
    "E16": (_hdr("[null]"), 500, (BODY,), BAD_HEADERS),
    "E18": (_hdr('[{"X-A": "é→"}]'), 204, (RANGE, (b"X-A", "é→".encode())), b""),
    "E20": (post("st", '{"s":"201"}'), 201, (RANGE, BODY), b'{"a":1}'),
    "E21": (post("st", '{"s":"401"}'), 401, (RANGE, BODY), b'{"a":1}'),
    "E22": (post("st", '{"s":"abc"}'), 500, (BODY,), BAD_STATUS),
    "E23": (post("st", '{"s":"404abc"}'), 404, (RANGE, BODY), b'{"a":1}'),
    "E26": (post("st_void", '{"s":"200"}'), 200, (RANGE,), b""),
    "E27": (post("st_void", '{"s":"303"}'), 303, (RANGE,), b""),
    "E28": (post("err_in_tx"), 403, (BODY,), _error("PT403", "nope")),
    "E29": (post("scalar_int", '{"a":5}'), 200, (RANGE, BODY), b"5"),
    "E31": (post("comp"), 200, (RANGE, BODY), b'{"token":"tok"}'),
    "E32": (
        post("setof_comp"),
        200,
        ((b"Content-Range", b"0-1/*"), BODY),
        b'[{"token":"t1"}, \n {"token":"t2"}]',
    ),
    "E35": (post("retnull"), 200, (RANGE, BODY), b"null"),
    "K16": (
        post("login", '{"email":"foo@bar.com","pass":"demo"}', schema="docs"),
        200,
        (RANGE, BODY),
        b'{"token":"..."}',
    ),
    "K17": (
        post("login", '{"email":"foo@bar.com","pass":"x"}', schema="docs"),
        403,
        (BODY,),
        _error("28P01", "invalid user or password"),
    ),
    "M3": (
        post("raise_state", json.dumps({"state": "PT418", "message": "line1\r\nX-Evil: 1 é"})),
        418,
        (BODY,),
        _error("PT418", "line1\r\nX-Evil: 1 é", details="d", hint="h"),
    ),
}


@pytest.mark.parametrize(("request_", "status", "headers", "body"), RECORDED.values(), ids=RECORDED.keys())
async def test_a_recorded_answer_is_given_again(
    call: Call, request_: Request, status: int, headers: Headers, body: bytes
) -> None:
    reply = await call(request_)

    assert (reply.status, _without_tokens(reply), _without_token(reply.body)) == (status, [*headers], body)


async def test_one_session_goes_as_recorded(call: Call) -> None:
    login = await call(post("login", '{"user_":"demo","pass":"demo"}'))
    refresh = _cookie(login, b"refresh_token")

    async def refreshed(*lines: bytes) -> tuple[int, list[tuple[bytes, bytes]]]:
        reply = await call(post("refresh_token", "", None, *((b"cookie", line) for line in lines)))
        return reply.status, _without_tokens(reply)

    ok, refused = (204, [*REFRESHED]), (401, [BODY, BEARER])
    assert await refreshed(b"refresh_token=" + refresh) == ok, "B1"
    assert await refreshed(b"refresh_token=" + refresh) == ok, "B2"
    assert await refreshed(b'a=b; refresh_token="' + refresh + b'"; c') == refused, "B5"
    assert await refreshed(b"refresh_token=bad; refresh_token=" + refresh) == ok, "B6"
    assert await refreshed(b"refresh_token=" + refresh + b"; refresh_token=bad") == refused, "B6b"
    assert await refreshed(b"a=b", b"refresh_token=" + refresh) == refused, "B7"
    assert await refreshed(b"refresh_token=" + refresh + b"; HttpOnly") == ok, "B8"
    assert (await call(post("logout", ""))).status == 204, "C1"
    assert await refreshed(b"refresh_token=" + refresh) == ok, "C3"


def _cookie(reply: Reply, name: bytes) -> bytes:
    (value,) = [
        line.split(b";")[0].partition(b"=")[2]
        for header, line in reply.headers
        if header == b"Set-Cookie" and line.startswith(name + b"=")
    ]
    return value


def _without_tokens(reply: Reply) -> list[tuple[bytes, bytes]]:
    return [
        (name, re.sub(rb"^(access_token|refresh_token)=[^;]+", rb"\1=...", value))
        for name, value in reply.headers
    ]


def _without_token(body: bytes) -> bytes:
    return re.sub(rb'"token":"[^".]+\.[^".]+\.[^".]+"', rb'"token":"..."', body)
