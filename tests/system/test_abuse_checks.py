"""Passwords are checked a few at a time: everybody's turn comes, and nobody else is held up by it."""

import re
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from urllib.request import urlopen

import pytest
from harness.relay.answers import AnswerReader
from harness.relay.deadlines import wait_until
from harness.relay.wire import Wire
from harness.site.abuse import JSON, all_at_once, code, login, reading, retry_after, statuses
from harness.site.client import ask, connect, request_bytes
from harness.site.gateways import StartGateway
from harness.site.process import GatewayProcess
from harness.site.site import Site, running_site

from app.devstack import DevStack

pytestmark = pytest.mark.xdist_group("abuse")

TRIES = 200
LIKENESS = 0.10
# Sleeps in the place of a check: as long as it is told, and whether somebody waits or not
SLOW_LOGIN = """
create function auth.slow_login(user_ text, seconds double precision) returns void
  language plpgsql volatile
  as $$ begin perform pg_sleep(seconds); end $$;
grant execute on function auth.slow_login to anon;
"""
SLEEPERS = "from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
FUNCTIONS = "login,logout,refresh_token,slow_login"


@pytest.fixture(scope="module")
def slow(stack: DevStack, start_gateway: StartGateway) -> Iterator[Site]:
    with running_site(stack, start_gateway) as site:
        site.database.execute(SLOW_LOGIN)
        yield site


def slow_login(seconds: float) -> bytes:
    body = b'{"user_":"demo","seconds":%g}' % seconds
    return request_bytes("POST", "/rpc/slow_login", [JSON], body)


def waiting(gateway: GatewayProcess) -> int:
    """How many passwords wait to be checked."""
    with urlopen(f"{gateway.admin_url}/metrics") as answer:  # noqa: S310  our own
        found = re.search(r"^gateway_password_checks_queued (\S+)$", answer.read().decode(), re.MULTILINE)
    assert found is not None
    return int(float(found[1]))


@contextmanager
def visitors(gateway: GatewayProcess, count: int, *, seconds: float) -> Iterator[list[Wire]]:
    """People whose slow passwords are being checked, or wait for it; they leave when the block ends."""
    made = [connect(gateway.url) for _ in range(count)]
    try:
        for visitor in made:
            visitor.send(slow_login(seconds))
        yield made
    finally:
        for visitor in made:
            visitor.close()


def test_thirty_two_at_once_all_sign_in(site: Site, start_gateway: StartGateway) -> None:
    with start_gateway(site.environ, password_queue_seconds="60") as gateway:
        answers = all_at_once(partial(login, gateway.url, "demo", "demo") for _ in range(32))
    assert statuses(answers) == {204: 32}


def test_a_storm_of_checks_leaves_readers_and_sessions_alone(slow: Site, start_gateway: StartGateway) -> None:
    """F33."""
    start = start_gateway(slow.environ, auth_functions=FUNCTIONS, database_connections="3")
    with start as gateway, reading(slow, gateway.url) as reads:
        with visitors(gateway, 30, seconds=30):
            wait_until(lambda: waiting(gateway) == 28, "the line")
            before = len(reads)
            began = time.monotonic()
            refused = ask(gateway.url, "POST", "/rpc/refresh_token", [("Cookie", "refresh_token=x")], b"")
            assert ask(gateway.url, "POST", "/rpc/logout", [], b"").status < 300
            assert refused.status == 401
            assert time.monotonic() - began < 2
            wait_until(lambda: len(reads) > before + 5, "reads to go on")
            assert waiting(gateway) == 28
        wait_until(lambda: waiting(gateway) == 0, "those who left to be forgotten")
        end_sleepers(slow)
    assert set(reads) == {200}


def test_who_leaves_the_line_frees_the_place(slow: Site, start_gateway: StartGateway) -> None:
    start = start_gateway(slow.environ, auth_functions=FUNCTIONS, password_checks="1", password_queue="10")
    with start as gateway, visitors(gateway, 1, seconds=1.5) as first:
        wait_until(lambda: sleepers(slow) == 1, "the first check")
        with visitors(gateway, 10, seconds=30):
            wait_until(lambda: waiting(gateway) == 10, "the line")
            full = login(gateway.url, "demo", "demo")
            assert (full.status, code(full), retry_after(full)) == (503, "GW502", 5)
        wait_until(lambda: waiting(gateway) == 0, "those who left to be forgotten")
        assert login(gateway.url, "demo", "demo").status == 204, "without waiting for any of them"
        assert AnswerReader(first[0], "POST").whole().status == 204


def test_nobody_waits_longer_than_the_deadline(slow: Site, start_gateway: StartGateway) -> None:
    start = start_gateway(
        slow.environ, auth_functions=FUNCTIONS, password_checks="1", password_queue_seconds="0.3"
    )
    with start as gateway, visitors(gateway, 1, seconds=30) as first:
        wait_until(lambda: sleepers(slow) == 1, "the first check")
        late = login(gateway.url, "demo", "demo")
        assert (late.status, code(late), retry_after(late)) == (503, "GW502", 5)
        end_sleepers(slow)
        assert AnswerReader(first[0], "POST").whole().status == 503
        assert login(gateway.url, "demo", "demo").status == 204


def test_known_unknown_and_disabled_names_take_the_same_time(site: Site) -> None:
    site.database.execute(
        "insert into auth.user (username, password, role, disabled_at)"
        " select 'disabled', password, role, now() from auth.user where username = 'demo'"
    )
    names = ("demo", "nobody", "disabled")
    times: dict[str, list[float]] = {name: [] for name in names}

    def unlike() -> float:
        medians = [statistics.median(times[name]) for name in names]
        return max(medians) / min(medians) - 1

    for attempt in range(3 * TRIES):
        name = names[attempt % 3]
        began = time.perf_counter()
        answer = login(site.url, name, "wrong")
        times[name].append(time.perf_counter() - began)
        assert (answer.status, answer.body) == (401, answer.body)
        if attempt >= TRIES and attempt % 30 == 0 and unlike() < LIKENESS:
            break  # more only where the machine was busy with something else
    assert unlike() < LIKENESS, {name: statistics.median(times[name]) for name in names}


def sleepers(site: Site) -> int:
    query = (
        "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()"
    )
    return int(site.database.fetch(query)[0][0])


def end_sleepers(site: Site) -> None:
    site.database.fetch(f"select pg_terminate_backend(pid) {SLEEPERS}")
