"""Bodies that no sign-in should take, or should take in one way only."""

import codecs
import json
import time

from harness.relay.tokens import VALID

from cases.calling import (
    ask_as_written,
    calling_lane,
    check_refused,
    check_untouched,
    claim,
    count,
    login,
    login_with,
)
from cases.faults_sessions import JSON, call
from cases.stage import Stage, fault

BAD_BODIES = {
    b"": (404, "PGRST202"),
    b"{}": (404, "PGRST202"),
    b"[]": (404, "PGRST202"),
    b"7": (404, "PGRST202"),
    b"null": (404, "PGRST202"),
    b'{"user_":"word"}': (404, "PGRST202"),
    b'{"pass":"word"}': (404, "PGRST202"),
    b'{"user_":"word","pass":"word","role":"postgres"}': (404, "PGRST202"),
    b'{"user_":"word","pass":"word"': (400, "PGRST102"),
    b'["word"]': (400, "PGRST102"),
    b'{"user_":"","pass":""}': (401, "PT401"),
    b'{"user_":null,"pass":null}': (401, "PT401"),
    b'{"user_":["word"],"pass":{"word":1}}': (401, "PT401"),
    b'{"user_":true,"pass":false}': (401, "PT401"),
}


@fault("F02")
def fields_missing_extra_or_empty(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    check_refused(ask_as_written(lane, "F02"), 404, "PGRST202", "demo")
    for body, (status, code) in BAD_BODIES.items():
        check_refused(login_with(lane, body), status, code, '"word"', "postgres")
    assert count(database, "auth.session") == 0
    check_untouched(lane)


@fault("F03")
def more_fields_than_the_function_takes(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    check_refused(ask_as_written(lane, "F03"), 404, "PGRST202", "postgres", '"x"')
    assert count(database, "auth.session") == 0
    body = b'{"user_":"demo","pass":"demo","role":"postgres","secret":"x"}'
    assert claim(call(lane, "login?columns=user_,pass", JSON, body=body), "role") == "basic_subscriber"
    check_untouched(lane)


@fault("F04")
def nul_in_a_name_or_a_password(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    form = "application/x-www-form-urlencoded"
    answers = [
        ask_as_written(lane, "F04"),
        login_with(lane, rb'{"user_":"demo","pass":"demo\u0000word"}'),
        login_with(lane, b'{"user_":"demo","pass":"demo\0word"}'),
        login_with(lane, b"user_=demo%00word&pass=demo", form),
        login_with(lane, b"user_=demo&pass=demo%00word", form),
    ]
    for got in answers:
        check_refused(got, 400, json.loads(got.body)["code"], "demo", "word", "character", "utf8")
    assert login(lane, "demo", "demo").status == 204
    assert count(database, "auth.session") == 1
    check_untouched(lane)


@fault("F13")
def a_key_that_comes_twice(stage: Stage) -> None:
    """The limits count whom Postgres looks up: the last one."""
    lane, database = calling_lane(stage, login_limit_pair="3/minute")
    assert claim(ask_as_written(lane, "F13"), "username") == "demo"
    for _ in range(3):
        got = login_with(lane, b'{"user_":"demo","pass":"demo","user_":"alice","pass":"wrong"}')
        check_refused(got, 401, "PT401", "demo", "alice")
    check_refused(login(lane, "alice", "alice"), 429, "GW203", "alice")
    assert claim(login(lane, "demo", "demo"), "username") == "demo"
    assert count(database, "auth.event where kind = 'sign_in' and username <> 'demo'") == 0
    check_untouched(lane)


@fault("F14")
def numbers_that_are_none_and_huge_ones(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    check_refused(ask_as_written(lane, "F14"), 400, "PGRST102", "nan", "1e999")
    for value in (b"NaN", b"Infinity", b"-Infinity", b"01", b"1.", b"0x1", b"undefined"):
        got = login_with(lane, b'{"user_":"demo","pass":%b}' % value)
        check_refused(got, 400, "PGRST102", "demo", "infinity")
    for value in (b"1e999", b"-1e999", b"9" * 20_000, b"0." + b"9" * 5_000, b"1e-99999"):
        for body in (b'{"user_":"demo","pass":%b}', b'{"user_":%b,"pass":"demo"}'):
            check_refused(login_with(lane, body % value), 401, "PT401", "e999", "99999")
    assert count(database, "auth.session") == 0
    check_untouched(lane)


@fault("F15")
def a_deeply_nested_body(stage: Stage) -> None:
    lane, _ = calling_lane(stage)
    assert login(lane, "demo", "demo").status == 204
    began = time.monotonic()
    check_refused(ask_as_written(lane, "F15"), 400, "PGRST102", "[[")
    for nested in (
        *(b"[" * depth + b"]" * depth for depth in (1_000, 30_000)),
        *(b'{"a":' * depth + b"1" + b"}" * depth for depth in (1_000, 9_000)),
    ):
        got = login_with(lane, b'{"user_":%b,"pass":"x"}' % nested)
        check_refused(got, 400, "PGRST102", "[[", '{"a"')
    shallow = b"[" * 150 + b"]" * 150
    check_refused(login_with(lane, b'{"user_":%b,"pass":"x"}' % shallow), 401, "PT401", "[[")
    assert time.monotonic() - began < 3
    assert login(lane, "demo", "demo").status == 204
    check_untouched(lane)


@fault("F16")
def a_body_that_is_not_plain_utf_8(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    good = '{"user_":"demo","pass":"demo"}'
    check_refused(ask_as_written(lane, "F16"), 400, "PGRST102", "demo")
    for body in (
        codecs.BOM_UTF8 + good.encode(),
        *(good.encode(name) for name in ("utf-16", "utf-16-le", "utf-16-be", "utf-32")),
        b"+AHs" + good[1:].encode(),
        '{"user_":"d\u00e9mo","pass":"demo"}'.encode("latin-1"),
        b'{"user_":"\xc0\xaf","pass":"demo"}',
        b'{"user_":"\xed\xa0\x80","pass":"demo"}',
        rb'{"user_":"\ud800","pass":"demo"}',
    ):
        for media in (
            "application/json",
            "application/json; charset=utf-16",
            "application/json;charset=latin1",
        ):
            check_refused(login_with(lane, body, media), 400, "PGRST102", "demo")
    assert count(database, "auth.session") == 0
    check_untouched(lane)


@fault("F20")
def a_multipart_body(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    check_refused(ask_as_written(lane, "F20"), 400, "PGRST102", "demo", "user_")
    part = b'--b\r\nContent-Disposition: form-data; name="user_"\r\n\r\ndemo\r\n'
    began = time.monotonic()
    for body in (part * 1_000 + b"--b--", b"--b" + b"\r" * 60_000, b"", b"demo"):
        got = login_with(lane, body, "multipart/form-data; boundary=b")
        check_refused(got, 400, "PGRST102", "demo", "user_", "boundary")
    assert time.monotonic() - began < 1
    assert count(database, "auth.session") == 0
    check_untouched(lane)


@fault("F21")
def a_profile_of_another_schema(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    database.execute(
        "create function public.login(user_ text, pass text) returns text language sql return 'wrong one';"
        "grant execute on function public.login(text, text) to public"
    )
    check_refused(ask_as_written(lane, "F21"), 401, "GW200", "pg_catalog")
    body = b'{"user_":"demo","pass":"demo"}'
    for profile in ("public", "AUTH", "auth_private", '"auth"', ""):
        got = call(lane, "login", JSON, f"Content-Profile: {profile}", body=body)
        check_refused(got, 401, "GW200", "wrong one")
    check_untouched(lane)
    assert count(database, "auth.session") == 0
    for fields in ((JSON,), (JSON, "Content-Profile: auth"), (JSON, "Accept-Profile: public")):
        assert claim(call(lane, "login", *fields, body=body), "username") == "demo"
    with lane.upstream.serving():
        fields = (JSON, "Content-Profile: public")
        assert lane.client().ask("POST", "/rpc/login", fields, body=body, token=VALID).status == 200
    [received] = lane.upstream.requests
    assert (received.head.target, received.head.value(b"content-profile")) == (b"/rpc/login", b"public")
