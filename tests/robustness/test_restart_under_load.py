"""PostgREST killed, stopped and paused while many ask: 502 or 503, never a wrong answer, well in a second."""

import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.relay.deadlines import wait_until
from harness.relay.process import GatewayProcess, gateway_process
from harness.relay.tokens import mint

from app.devstack import Database, DevStack, Postgrest
from robustness.callers import ROLE, Callers

COUNT = 24
RECOVERY_SECONDS = 1.0
pytestmark = pytest.mark.xdist_group("restart")  # one worker makes what it needs


@pytest.fixture(scope="module")
def told(stack: DevStack) -> Iterator[Database]:
    with stack.fresh_database() as database:
        database.execute(Path(__file__).with_name("told.sql").read_text())
        yield database


@pytest.fixture(scope="module")
def postgrest(stack: DevStack, told: Database) -> Iterator[Postgrest]:
    postgrest = stack.start_postgrest(database=told)
    yield postgrest
    postgrest.stop()


@pytest.fixture(scope="module")
def gateway(stack: DevStack, postgrest: Postgrest) -> Iterator[GatewayProcess]:
    with gateway_process(postgrest.url, jwt_secret=stack.jwt_secret) as gateway:
        yield gateway
        assert "Traceback" not in gateway.log.read_text()


@pytest.fixture
def callers(stack: DevStack, gateway: GatewayProcess, told: Database) -> Iterator[Callers]:
    """Whatever happens, no write is done twice, and what was answered was done."""
    callers = Callers(gateway.port, mint(key=b64decode(stack.jwt_secret), role=ROLE))
    yield callers
    assert not callers.wrong
    written = [row["nonce"] for row in told.fetch("select nonce from told")]
    assert len(written) == len(set(written)), "a write was repeated"
    assert callers.told <= set(written)


def test_it_is_killed_and_comes_back(callers: Callers, postgrest: Postgrest) -> None:
    with callers.calling(COUNT):
        for _ in range(2):
            gone = time.monotonic()
            postgrest.crash()
            seen = len(callers.failures)
            wait_until(lambda: len(callers.failures) > seen + 2 * COUNT, "refusals")  # noqa: B023
            postgrest.start()
            back = time.monotonic()
            callers.wait_for_more(20 * COUNT)
            assert callers.answered_first(back) < back + RECOVERY_SECONDS
            assert all(gone < failure.ended for failure in callers.failures[seen:])
            assert all(failure.began < back + RECOVERY_SECONDS for failure in callers.failures[seen:])
    assert callers.statuses[502]


def test_it_is_stopped_in_order_and_comes_back(callers: Callers, postgrest: Postgrest) -> None:
    with callers.calling(COUNT):
        postgrest.restart()
        back = time.monotonic()
        callers.wait_for_more(20 * COUNT)
    assert callers.answered_first(back) < back + RECOVERY_SECONDS
    assert all(failure.began < back + RECOVERY_SECONDS for failure in callers.failures)


def test_it_hangs_for_a_moment_and_nobody_is_refused(callers: Callers, postgrest: Postgrest) -> None:
    with callers.calling(COUNT):
        postgrest.pause()
        wait_until(lambda: time.monotonic() - callers.times[-1] > 0.2, "everybody to hang")
        postgrest.resume()
        callers.wait_for_more(10 * COUNT)
    assert not callers.failures


def test_without_a_fault_nothing_is_refused_or_lost(callers: Callers) -> None:
    with callers.calling(COUNT):
        callers.wait_for_more(20 * COUNT)
    assert not callers.failures
