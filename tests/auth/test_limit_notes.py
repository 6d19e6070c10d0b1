"""Failures in the audit table: written in the background, bounded, and never anybody's trouble."""

import asyncio
import time

import asyncpg
import pytest

from app.auth.limits import notes as notes_module
from app.auth.limits.notes import FailureNotes
from app.devstack import Database, DevStack

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

WRITTEN = """
select kind, username, address, user_agent
  from auth.event
 where kind in ('sign_in_failed', 'sign_in_throttled')
 order by id
"""


async def test_a_failure_stands_in_the_audit_table(database: Database, open_pool: OpenPool) -> None:
    async with open_pool(database.gateway_dsn) as pool:
        notes = FailureNotes(pool, schema="auth")
        notes.add("sign_in_failed", username="demo", address="192.0.2.1", user_agent="curl/8")
        notes.add("sign_in_throttled", username="nobody\0\ud800", address="", user_agent="\0" * 5_000)
        await notes.close()
    rows = [tuple(row) for row in database.fetch(WRITTEN)]
    assert rows[0] == ("sign_in_failed", "demo", "192.0.2.1", "curl/8")
    assert rows[1][:2] == ("sign_in_throttled", None)


async def test_without_the_function_nothing_happens_until_it_is_there(
    recipes: DevStack, open_pool: OpenPool
) -> None:
    def noted() -> int:
        return int(recipes.database.fetch("select count(*) from auth.noted")[0][0])

    async with open_pool() as pool:
        notes = FailureNotes(pool, schema="auth")
        notes.add("sign_in_failed", username="demo", address="", user_agent="")
        await notes.close()
        recipes.database.execute(NOTE_FAILURE)
        try:
            notes.add("sign_in_failed", username="demo", address="", user_agent="")
            await notes.close()
            assert noted() == 0, "it is not looked for again at once"
            notes._silent_until = time.monotonic()
            notes.add("sign_in_failed", username="demo", address="", user_agent="")
            await notes.close()
            assert noted() == 1
        finally:
            recipes.database.execute(NO_NOTE_FAILURE)


async def test_without_a_database_nobody_waits() -> None:
    async with asyncpg.create_pool("postgresql://nobody@127.0.0.1:1/none", min_size=0, max_size=1) as pool:
        notes = FailureNotes(pool, schema="auth")
        notes.add("sign_in_failed", username="demo", address="", user_agent="")
        await notes.close()
        assert not notes._notes


async def test_a_database_that_hangs_is_waited_for_in_the_background_and_not_for_ever(
    database: Database, open_pool: OpenPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notes_module, "_SECONDS", 0.2)
    blocker = await asyncpg.connect(database.owner_dsn)
    async with open_pool(database.gateway_dsn) as pool:
        await blocker.execute("begin; lock table auth.event")
        notes = FailureNotes(pool, schema="auth")
        for _ in range(10_000):
            notes.add("sign_in_failed", username="demo", address="", user_agent="")
        assert len(notes._notes) <= 200
        assert pool.get_size() - pool.get_idle_size() <= 1
        await notes.close()
        assert not notes._notes
        await blocker.close()
        notes.add("sign_in_failed", username="demo", address="", user_agent="")
        await notes.close()
        await asyncio.sleep(0)
    assert database.fetch("select count(*) from auth.event where kind = 'sign_in_failed'")[0][0] == 1
