"""Passwords guessed and functions called without end: what the limits stop, and whom they leave alone."""

import json
import re
from collections import Counter
from functools import partial
from threading import Thread

from harness.relay.answers import Answer
from harness.relay.client import Client
from harness.relay.deadlines import wait_until
from harness.relay.lane import Lane

from app.auth.limits.counters import Counters
from app.settings import Settings
from cases.calling import (
    as_written,
    ask_as_written,
    calling_lane,
    check_refused,
    check_untouched,
    count,
    login,
)
from cases.faults_sessions import JSON, call
from cases.stage import Stage, fault

DEFAULTS = {
    name: field.default
    for name, field in Settings.model_fields.items()
    if name.startswith("login_limit_") or name == "call_limit_address"
}
MOST = 100
DOOR = """
create table public.door (opened boolean);
grant select on public.door to public;
create sequence public.at_the_door;
grant usage on public.at_the_door to public;
create or replace function auth.login(user_ text, pass text) returns void
  language plpgsql volatile
  as $$ begin
    perform nextval('public.at_the_door');
    while not exists (select from public.door) loop perform pg_sleep(0.005); end loop;
  end $$;
"""


class Clock:
    """Stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def check_locked(got: Answer) -> None:
    check_refused(got, 429, "GW203", "demo", "alice", "guess")
    assert 0 < int(got.head.value(b"Retry-After")) <= 61


@fault("F29")
def one_account_guessed_again_and_again(stage: Stage) -> None:
    clock = Clock()
    stage.patch.setattr("app.wiring.limits.Counters", partial(Counters, clock=clock))
    lane, database = calling_lane(stage, **DEFAULTS)
    for number in range(5):
        check_refused(ask_as_written(lane, "F29", N=str(number)), 401, "PT401", "demo", "guess")
    locked = ask_as_written(lane, "F29", N="6"), login(lane, "demo", "demo")
    for got in locked:
        check_locked(got)
    assert json.loads(locked[0].body)["message"] == json.loads(locked[1].body)["message"]
    for host in (2, 3, 4):
        tries = [login(lane, "demo", "guess", address=f"127.0.0.{host}") for _ in range(6)]
        assert [got.status for got in tries] == [401] * 5 + [429]
    check_locked(login(lane, "demo", "demo", address="127.0.0.5"))
    assert login(lane, "alice", "alice", address="127.0.0.5").status == 204
    with lane.client(address="127.0.0.6") as sprayer:
        tries = [login(lane, f"name{number}", "guess", by=sprayer) for number in range(61)]
    assert [got.status for got in tries] == [401] * 60 + [429]
    check_locked(tries[-1])
    clock.now += 61
    for address in ("127.0.0.1", "127.0.0.5", "127.0.0.6"):
        assert login(lane, "demo", "demo", address=address).status == 204
    assert count(database, "auth.session") == 4
    check_untouched(lane)


@fault("F31")
def one_account_in_many_disguises(stage: Stage) -> None:
    disguises = {
        b'{"user_":"demo","pass":"guess"}': JSON,
        b'{"user_":" Demo\\u3000","pass":"guess"}': JSON,
        '{"user_":"\uff44\uff45\uff4d\uff4f","pass":"guess"}'.encode(): JSON,
        b'{"user_":"alice","pass":"guess","user_":"dEmo"}': JSON,
        b"user_=alice&pass=guess&user_=%44emo": "Content-Type: application/x-www-form-urlencoded",
        b"user_,pass\ndemo,guess\n": "Content-Type: text/csv",
    }
    lane, _ = calling_lane(stage, login_limit_pair=f"{len(disguises) + 1}/minute")
    check_refused(ask_as_written(lane, "F31"), 401, "PT401", "demo")
    for number, (body, media) in enumerate(disguises.items()):
        address = f"203.0.113.{number}"
        claims = [f"X-Forwarded-For: {address}", f"X-Real-IP: {address}", f"Forwarded: for={address}"]
        check_refused(call(lane, "login", media, *claims, body=body), 401, "PT401", "demo")
    check_locked(login(lane, "demo", "demo"))
    check_locked(login(lane, "DEMO ", "demo", "X-Forwarded-For: 198.51.100.1"))
    assert login(lane, "alice", "alice").status == 204
    check_untouched(lane)


@fault("F32")
def names_without_end(stage: Stage) -> None:
    """The memory that a flood of them takes is measured in tests/auth."""
    made: list[Counters] = []

    def small() -> Counters:
        made.append(Counters(most=MOST))
        return made[-1]

    stage.patch.setattr("app.wiring.limits.Counters", small)
    lane, _ = calling_lane(stage, login_limit_pair="5/minute", login_limit_account="5/minute")
    written = as_written("F32", NAME="somebody")
    with lane.client() as client:
        for number in range(3 * MOST):
            client.send(written.replace(b"somebody", b"%08x" % number))
            assert client.answer("POST").status == 401
            assert all(len(counters) <= MOST for counters in made)
    tries = [login(lane, "demo", "guess") for _ in range(6)]
    assert [got.status for got in tries] == [401] * 5 + [429]
    assert any(len(counters) > MOST // 4 for counters in made)
    check_untouched(lane)


@fault("F33")
def many_passwords_at_once(stage: Stage) -> None:
    lane, database = calling_lane(stage, password_checks=1, password_queue=4)
    database.execute(DOOR)
    first = [knocking(lane) for _ in range(5)]

    def knocks() -> int:
        return int(database.fetch("select last_value * is_called::integer from public.at_the_door")[0][0])

    wait_until(lambda: waiting(lane) == 4, "the line")
    wait_until(lambda: knocks() == 1, "the first check")
    for got in [knocking(lane).answer("POST") for _ in range(5)]:
        check_refused(got, 503, "GW502", "demo")
        assert got.head.value(b"Retry-After")
    with lane.upstream.serving():
        for _ in range(20):
            assert lane.client().ask("GET", "/rest/items").status == 200
        assert call(lane, "refresh_token", "Cookie: refresh_token=x").status == 401
        assert call(lane, "logout").status == 204
    assert (knocks(), waiting(lane)) == (1, 4)
    database.execute("insert into public.door values (true)")
    assert [client.answer("POST").status for client in first] == [204] * 5
    assert knocks() == 5


def knocking(lane: Lane) -> Client:
    client = lane.client()
    client.send(as_written("F33"))
    return client


def waiting(lane: Lane) -> int:
    with Client(lane.gateway.admin_port) as admin:
        metrics = admin.ask("GET", "/metrics", token=None).body.decode()
    [found] = re.findall(r"^gateway_password_checks_queued (\S+)$", metrics, re.MULTILINE)
    return int(float(found))


@fault("F53")
def refreshes_without_end(stage: Stage) -> None:
    lane, _ = calling_lane(stage, **DEFAULTS)
    answers: list[Answer] = []

    def flood(flooder: int) -> None:
        with Client(lane.gateway.port) as client:
            for number in range(80):
                cookie = f"Cookie: refresh_token=random{flooder}x{number}"
                answers.append(client.ask("POST", "/rpc/refresh_token", [cookie], body=b"", token=None))

    threads = [Thread(target=flood, args=(flooder,), daemon=True) for flooder in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert Counter(got.status for got in answers) == {401: 300, 429: 20}
    for got in answers:
        check_refused(got, got.status, {401: "PT401", 429: "GW203"}[got.status], "random")
    check_untouched(lane)
    with lane.upstream.serving():
        assert [lane.client().ask("GET", "/rest/items").status for _ in range(5)] == [200] * 5
    assert login(lane, "demo", "demo").status == 204
