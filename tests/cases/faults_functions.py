"""Faults under the auth functions in a real database: what they run on, are, and speak for."""

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import asyncpg
from harness.relay.answers import Answer
from harness.relay.deadlines import wait_until
from harness.relay.lane import Lane

from app.devstack import Database, DevStack
from cases.faults_sessions import JSON, call, cookies_of, lane_with_database, sign_in
from cases.stage import Stage, check_own_answer, fault

GATEWAYS = "from pg_stat_activity where usename = 'gateway' and datname = current_database()"
CLIENTS = 4
ENDS = {
    "demo": "select auth.disable_user('demo')",
    "alice": "delete from auth.user where username = 'alice'",
}
SLOW_LOGIN = """
create or replace function auth.login(user_ text, pass text) returns void language plpgsql as $$
begin
  perform pg_sleep(60);
end $$
"""
GRANTED = "grant execute on function auth.answer() to anon;"
# Each changes what the statements that were prepared before return, and so what the function answers
CHANGES = {
    f"""create type auth.answer as (a int);
    create function auth.answer() returns auth.answer language sql as $$ select 1 $$; {GRANTED}
    """: b'{"a":1}',
    """alter type auth.answer add attribute b text;
    create or replace function auth.answer() returns auth.answer language sql as $$ select 1, 'x'::text $$;
    """: b'{"a":1,"b":"x"}',
    """alter type auth.answer alter attribute a type text;
    create or replace function auth.answer() returns auth.answer language sql as $$ select 'y', 'x' $$;
    """: b'{"a":"y","b":"x"}',
    f"""drop function auth.answer();
    create function auth.answer() returns int language sql as $$ select 2 $$; {GRANTED}
    """: b"2",
}


def at_once(lane: Lane, function: str, body: bytes = b"{}") -> list[Answer]:
    """The answers to several calls, which take every connection that they may."""
    with ThreadPoolExecutor(CLIENTS) as clients:
        return list(clients.map(lambda _: call(lane, function, JSON, body=body), range(CLIENTS)))


def login_of(user: str) -> bytes:
    return json.dumps({"user_": user, "pass": user}).encode()


def connections_of(database: Database) -> int:
    return len(database.fetch(f"select {GATEWAYS}"))


@fault("D54")
def the_user_of_a_token_is_disabled_or_deleted(stage: Stage) -> None:
    """A role that changes is F52's."""
    lane, database = lane_with_database(stage)
    with lane.upstream.serving():
        for user, end in ENDS.items():
            written = cookies_of(call(lane, "login", JSON, body=login_of(user)))
            access, refresh = (f"{name}={written[name][0]}" for name in ("access_token", "refresh_token"))
            assert ask_with(lane, access).status == 200
            database.execute(end)
            refused = [call(lane, "refresh_token", f"Cookie: {refresh}")]
            wait_until(lambda: ask_with(lane, access).status == 401, "the end to be heard")  # noqa: B023
            relayed = len(lane.upstream.requests)
            refused += [ask_with(lane, access), ask_with(lane, refresh), ask_with(lane, access, refresh)]
            for got in refused:
                check_own_answer(got, 401)
                assert not any(value.encode() in got.head.raw + got.body for value, _ in written.values())
            assert len(lane.upstream.requests) == relayed
            check_own_answer(call(lane, "login", JSON, body=login_of(user)), 401)


def ask_with(lane: Lane, *cookies: str) -> Answer:
    return lane.client().ask("GET", "/rest/items", [f"Cookie: {'; '.join(cookies)}"], token=None)


@fault("G26")
def every_connection_of_the_gateway_is_ended(stage: Stage) -> None:
    lane, database = lane_with_database(stage)

    def is_warm() -> bool:
        at_once(lane, "login", login_of("demo"))
        return connections_of(database) >= 3  # the one that listens, and two that check passwords

    wait_until(is_warm, "several connections to be open")
    for _ in range(3):
        ended = database.fetch(f"select pg_terminate_backend(pid, 5000) {GATEWAYS}")
        assert [tuple(row) for row in ended] == [(True,)] * len(ended)
        assert ended
        for _ in range(3):
            sign_in(lane)
        assert {got.status for got in at_once(lane, "login", login_of("demo"))} == {204}


@fault("G27")
def the_server_is_a_standby(stage: Stage) -> None:
    stack: DevStack = stage.fixture("make_stack")(stage.fixture("tmp_path"), prepare=stage.fixture("prepare"))
    with stack:
        stack.postgres.stop()
        (stack.postgres.data / "standby.signal").touch()
        stack.postgres._child = stack.postgres._launch()  # start() waits for a server that writes
        wait_until(lambda: is_standby(stack.database), "the standby to answer")
        lane = stage.lane_with(database_url=stack.gateway_dsn)
        for _ in range(2):
            got = call(lane, "login", JSON, body=login_of("demo"))
            check_own_answer(got, 503)
            assert got.head.value(b"Retry-After")
            wait_until(lambda: connections_of(stack.database) == 0, "its connection to be given up")
        stack.database.fetch("select pg_promote()")
        sign_in(lane)


def is_standby(database: Database) -> bool:
    with suppress(asyncpg.PostgresError, OSError):
        return bool(database.fetch("select pg_is_in_recovery()")[0][0])
    return False


@fault("G28")
def a_function_changes_under_warm_connections(stage: Stage) -> None:
    lane, database = lane_with_database(stage, auth_functions="login,logout,refresh_token,answer")
    for change, body in CHANGES.items():
        database.execute(change)
        for _ in range(3):
            assert {(got.status, got.body) for got in at_once(lane, "answer")} == {(200, body)}


@fault("G31")
def a_function_that_sleeps(stage: Stage) -> None:
    lane, database = lane_with_database(stage, database_seconds="0.5")
    sign_in(lane)
    [as_it_was] = database.fetch("select pg_get_functiondef('auth.login(text, text)'::regprocedure)")
    database.execute(SLOW_LOGIN)
    for got in at_once(lane, "login", login_of("demo")):
        check_own_answer(got, 503)
        assert got.head.value(b"Retry-After")
    wait_until(
        lambda: not database.fetch(f"select {GATEWAYS} and wait_event = 'PgSleep'"), "the database to stop"
    )
    database.execute(as_it_was[0])
    for _ in range(2):
        assert {got.status for got in at_once(lane, "login", login_of("demo"))} == {204}
