"""Names and passwords that must sign in one account only, or none, and never tell which there are."""

import json
import time

import asyncpg
import pytest

from cases.calling import (
    ask_as_written,
    calling_lane,
    check_refused,
    check_untouched,
    claim,
    count,
    login,
    without_fields_of_the_moment,
)
from cases.conftest import ALLOWED_ORIGIN
from cases.faults_sessions import JSON, call, cookies_of
from cases.stage import Stage, fault


@fault("F06")
def a_password_longer_than_bcrypt_reads_and_one_that_is_too_long(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    add = "insert into auth.user (username, password, role) values ('{}', '{}', 'basic_subscriber')"
    longest = "a" * 256
    for too_long in (longest + "X", "é" * 257):
        with pytest.raises(asyncpg.CheckViolationError):
            database.execute(add.format("longer", too_long))
    database.execute(add.format("long", longest))
    signed_in = login(lane, "long", longest)
    assert signed_in.status == 204
    check_refused(ask_as_written(lane, "F06"), 401, "PT401", "aaa")
    for password in (longest + "X", longest[:-1], longest[:-1] + "b", longest + "a" * 5_000):
        check_refused(login(lane, "long", password), 401, "PT401", "aaa")
    pairs = (f"{name}={value}" for name, (value, _) in cookies_of(signed_in).items())
    cookie = f"Cookie: {'; '.join(pairs)}"
    body = json.dumps({"old": longest, "new": longest + "X"}).encode()
    changed = call(lane, "change_password", JSON, "Content-Profile: auth", cookie, body=body)
    check_refused(changed, 422, "PT422", "aaa")
    assert login(lane, "long", longest).status == 204
    check_untouched(lane)


@fault("F09")
def one_name_in_two_spellings(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    add = "insert into auth.user (username, password, role) values ('{}', 'right', 'basic_subscriber')"
    check_refused(ask_as_written(lane, "F09"), 401, "PT401")
    composed, decomposed = "d\u00e9mo", "de\u0301mo"
    database.execute(add.format(decomposed))
    for name in (composed, decomposed):
        with pytest.raises(asyncpg.UniqueViolationError):
            database.execute(add.format(name))
        assert claim(login(lane, name, "right"), "username") == composed
    for name in ("demo\u200b", "\u00addemo", "demo ", "\u202edemo"):
        with pytest.raises(asyncpg.CheckViolationError):
            database.execute(add.format(name))
        check_refused(login(lane, name, "demo"), 401, "PT401")
    for name in ("\uff44\uff45\uff4d\uff4f", "D\u00c9MO", "DEMO", "d\u00e8mo"):
        for password in ("right", "demo"):
            check_refused(login(lane, name, password), 401, "PT401")
    check_untouched(lane)


@fault("F11")
def sql_in_a_name_or_a_password(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    assert login(lane, "demo", "demo").status == 204
    before = database.fetch("select username, password, role from auth.user order by 1")
    began = time.monotonic()
    check_refused(ask_as_written(lane, "F11"), 401, "PT401", "1=1", "sleep")
    for name, password in (
        ("demo'; drop table auth.user; --", "demo"),
        ("demo", "demo' or 'a'='a"),
        ('demo"; set role postgres; --', "$$ || pg_sleep(5) || $$"),
        ("demo\\'", "\\"),
        ("demo' union select * from auth.user --", "%s $1 :x {}"),
    ):
        check_refused(login(lane, name, password), 401, "PT401", "drop", "union", "a'='a")
    assert time.monotonic() - began < 3
    assert database.fetch("select username, password, role from auth.user order by 1") == before
    assert count(database, "auth.session") == 1
    check_untouched(lane)


@fault("F12")
def wildcards_in_a_name(stage: Stage) -> None:
    lane, database = calling_lane(stage)
    check_refused(ask_as_written(lane, "F12"), 401, "PT401", "de%")
    for name in (
        "%",
        "____",
        "de_o",
        "d.*",
        "^demo$",
        "demo|alice",
        "(demo)",
        "d[e]mo",
        "*",
        "DEMO",
        "~demo",
    ):
        check_refused(login(lane, name, "demo"), 401, "PT401")
    assert count(database, "auth.session") == 0
    check_untouched(lane)


@fault("F27")
def a_name_that_nobody_has(stage: Stage) -> None:
    """The same words and the same status; that the time is the same is measured in tests/system."""
    lane, database = calling_lane(stage)
    database.execute("select auth.disable_user('alice')")
    answers = [
        ask_as_written(lane, "F27"),
        *(
            login(lane, *names, f"Origin: {ALLOWED_ORIGIN}")
            for names in (("demo", "x"), ("nobody", "demo"), ("alice", "alice"), ("", ""))
        ),
    ]
    for got in answers:
        check_refused(got, 401, "PT401", "nouser", "nobody", "alice", "demo")
    assert len({without_fields_of_the_moment(got) for got in answers}) == 1
    assert count(database, "auth.session") == 0
    check_untouched(lane)
