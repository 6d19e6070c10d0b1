"""Failures in the audit table: written in the background, bounded, and never anybody's trouble."""

import asyncio
import time

import asyncpg
import pytest

from app.auth.limits import records as records_module
from app.auth.limits.queued_failures import Failure, QueuedFailures
from app.auth.limits.records import FailureRecords
from app.devstack import Database, DevStack
from app.events import AuditRecordsLost, Event

from .conftest import OpenPool

pytestmark = pytest.mark.anyio

NOTE_FAILURE = """
grant usage on schema auth to gateway;
create table auth.noted (kind text, username text, address text, user_agent text);
create function auth.note_failure(kind text, username text, address text, user_agent text) returns void
  language sql security definer
  as 'insert into auth.noted values (kind, username, address, user_agent)';
grant execute on function auth.note_failure to gateway;
"""
NO_NOTE_FAILURE = """
drop function auth.note_failure;
drop table auth.noted;
revoke usage on schema auth from gateway;
"""


def untold(_: Event) -> None:
    """Nothing is to be reported."""
    raise AssertionError


WRITTEN = """
select kind, username, address, user_agent
  from auth.event
 where kind in ('sign_in_failed', 'sign_in_throttled')
 order by id
"""


async def test_a_failure_stands_in_the_audit_table(database: Database, open_pool: OpenPool) -> None:
    async with open_pool(database.gateway_dsn) as pool:
        records = FailureRecords(pool, schema="auth", observe=untold)
        records.add("sign_in_failed", username="demo", address="192.0.2.1", user_agent="curl/8")
        records.add("sign_in_throttled", username="nobody\0\ud800", address="", user_agent="\0" * 5_000)
        await records.close()
    rows = [tuple(row) for row in database.fetch(WRITTEN)]
    assert rows[0] == ("sign_in_failed", "demo", "192.0.2.1", "curl/8")
    assert rows[1][:2] == ("sign_in_throttled", None)


async def test_without_the_function_nothing_happens_until_it_is_there(
    recipes: DevStack, open_pool: OpenPool
) -> None:
    def noted() -> int:
        return int(recipes.database.fetch("select count(*) from auth.noted")[0][0])

    async with open_pool() as pool:
        records = FailureRecords(pool, schema="auth", observe=untold)
        records.add("sign_in_failed", username="demo", address="", user_agent="")
        await records.close()
        recipes.database.execute(NOTE_FAILURE)
        try:
            records.add("sign_in_failed", username="demo", address="", user_agent="")
            await records.close()
            assert noted() == 0, "it is not looked for again at once"
            records._absent_until = time.monotonic()
            records.add("sign_in_failed", username="demo", address="", user_agent="")
            await records.close()
            assert noted() == 1
        finally:
            recipes.database.execute(NO_NOTE_FAILURE)


async def test_without_a_database_nobody_waits_and_what_is_lost_is_reported() -> None:
    events: list[Event] = []
    async with asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0, max_size=1) as pool:
        records = FailureRecords(pool, schema="auth", observe=events.append)
        for _ in range(3):
            records.add("sign_in_failed", username="demo", address="", user_agent="")
        await records.close()
    assert events == [AuditRecordsLost(3)]


async def test_a_flood_while_the_database_hangs_is_written_when_it_is_back(
    database: Database, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records_module, "_SECONDS", 0.2)
    monkeypatch.setattr(records_module, "_LONGEST_PAUSE", 0.05)
    monkeypatch.setattr(records_module, "_FIRST_PAUSE", 0.05)
    events: list[Event] = []
    blocker = await asyncpg.connect(database.owner_dsn)
    async with open_pool(database.gateway_dsn) as pool:
        await blocker.execute("begin; lock table auth.event")
        records = FailureRecords(pool, schema="auth", observe=events.append)
        for number in range(1_000):
            agent = f"agent {number % 7}"
            records.add("sign_in_failed", username="demo", address="192.0.2.1", user_agent=agent)
        assert len(records._queued) == 7
        await asyncio.sleep(0.3)  # longer than a statement may take
        assert pool.get_size() - pool.get_idle_size() <= 1
        await blocker.close()
        monkeypatch.setattr(records_module, "_SECONDS", 5.0)
        assert records._task is not None
        async with asyncio.timeout(30):
            await records._task
    assert database.fetch(
        "select count(*), count(distinct user_agent) from auth.event"
        " where kind = 'sign_in_failed' and username = 'demo' and address = '192.0.2.1'"
    )[0][:] == (1_000, 7)
    assert events == []


async def test_a_note_that_the_database_refuses_does_not_hold_the_others_up(
    database: Database, open_pool: OpenPool
) -> None:
    events: list[Event] = []
    async with open_pool(database.gateway_dsn) as pool:
        records = FailureRecords(pool, schema="auth", observe=events.append)
        records.add("no_kind_of_failure", username="demo", address="", user_agent="")
        records.add("sign_in_failed", username="demo", address="", user_agent="")
        await records.close()
    assert database.fetch("select count(*) from auth.event where kind = 'sign_in_failed'")[0][0] == 1
    assert events == [AuditRecordsLost(1)]


class TestWaiting:
    """What waits takes bounded room, and the number of failures is right."""

    def test_like_failures_are_one_note(self) -> None:
        waiting = QueuedFailures()
        for _ in range(500):
            waiting.add(Failure("sign_in_failed", "demo", "192.0.2.1", "curl"))
        assert len(waiting) == 1
        assert [waiting.take(200)[1] for _ in range(3)] == [200, 200, 100]
        assert not waiting

    def test_the_first_to_come_is_the_first_to_be_written(self) -> None:
        waiting = QueuedFailures()
        for name in ("a", "b", "a"):
            waiting.add(Failure("sign_in_failed", name, "192.0.2.1"))
        assert [waiting.take(9)[0].username for _ in range(2)] == ["a", "b"]

    def test_beyond_the_bound_the_name_is_kept_and_beyond_that_the_number(self) -> None:
        waiting = QueuedFailures(most=3)
        for number in range(3):
            waiting.add(Failure("sign_in_failed", "victim", f"192.0.2.{number}", "curl"))
        for number in range(100):
            waiting.add(Failure("sign_in_failed", "victim", f"198.51.100.{number}", "curl"))
        for number in range(100):
            waiting.add(Failure("sign_in_failed", f"name{number}", "192.0.2.1", "curl"))
        taken = [waiting.take(1_000) for _ in range(len(waiting))]
        assert taken[3] == (Failure("sign_in_failed", "victim"), 100)
        assert sum(number for _, number in taken) == 203
        assert len(taken) == 3 + 3 + 1
        assert taken[-1] == (Failure("sign_in_failed"), 98)
        assert waiting.lost == 0

    def test_room_is_room_again(self) -> None:
        waiting = QueuedFailures(most=1)
        for _ in range(3):
            for name in ("a", "b", "c"):
                waiting.add(Failure("k", name, "192.0.2.1"))
            assert [waiting.take(9) for _ in range(3)] == [
                (Failure("k", "a", "192.0.2.1"), 1), (Failure("k", "b"), 1), (Failure("k"), 1)
            ]  # fmt: skip

    def test_what_is_more_than_a_table_should_hold_is_counted_as_lost(self) -> None:
        waiting = QueuedFailures(most_alike=10)
        for _ in range(25):
            waiting.add(Failure("sign_in_failed", "demo"))
        assert (waiting.take(100)[1], waiting.lost) == (10, 15)
