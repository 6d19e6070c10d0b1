"""From families of tokens to sessions: nobody is signed out by the migration, nor in the middle of it."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from app.devstack import Database
from app.migrations import load, migrate

from .conftest import PREPARATIONS
from .visitors import DEADLINE_SECONDS, Connection, Visitor, live_sessions, start_session

pytestmark = pytest.mark.anyio

BEFORE = 20  # the last file that knows no sessions
SWITCH = 27  # the one in which tokens get theirs


def add_files(folder: Path, first: int, last: int) -> None:
    for migration in load()[first - 1 : last]:
        (folder / f"{migration.name}.sql").write_text(migration.sql)


@pytest.fixture
async def owner(empty: Database, tmp_path: Path) -> AsyncIterator[Connection]:
    """In a database of the time before sessions."""
    add_files(tmp_path, 1, BEFORE)
    await migrate(empty.owner_dsn, directory=tmp_path)
    connection: Connection = await asyncpg.connect(empty.owner_dsn)
    await connection.execute(PREPARATIONS)
    yield connection
    await connection.close()


async def age_tokens(owner: Connection, hours: int) -> None:
    await owner.execute(
        "update auth.refresh_token set issued_at = issued_at - s, expires_at = expires_at - s,"
        " replaced_at = replaced_at - s from make_interval(hours => $1) as passed (s)",
        hours,
    )


async def test_every_family_that_is_alive_becomes_a_session(owner: Connection, empty: Database) -> None:
    gone = Visitor(owner, {"refresh_token": await start_session(owner)})
    await age_tokens(owner, 721)
    busy = Visitor(owner, {"refresh_token": await start_session(owner)})
    thief = busy.same_client()
    for _ in range(5):
        await age_tokens(owner, 500)
        assert (await busy.refresh()).status == 204
    quiet = Visitor(owner, {"refresh_token": await start_session(owner)})
    await age_tokens(owner, 600)
    family = await owner.fetchval("select family from auth.refresh_token order by issued_at desc limit 1")
    await migrate(empty.owner_dsn)

    assert await live_sessions(owner) == 2
    assert (await gone.refresh()).status == 401
    assert (await quiet.refresh()).claims["sid"] == str(family)
    assert (await thief.refresh()).sqlstate == "PT401", "a used token that has expired is unknown"
    assert (await busy.refresh()).status == 204, "older than a session may be: it begins anew"
    (row,) = await owner.fetch(
        "select *, last_seen_at - created_at as seen, expires_at - now() as left from auth.session"
        " where id = $1",
        family,
    )
    assert (row["username"], row["address"], row["user_agent"]) == ("demo", None, None)
    assert 590 < row["seen"].total_seconds() / 3600 < 601
    assert 2159 < row["left"].total_seconds() / 3600 < 2161


async def test_a_used_token_of_before_is_still_recognized(owner: Connection, empty: Database) -> None:
    visitor = Visitor(owner, {"refresh_token": await start_session(owner)})
    thief = visitor.same_client()
    await visitor.refresh()
    await age_tokens(owner, 1)
    await migrate(empty.owner_dsn)

    assert thief.cookies != visitor.cookies
    assert (await thief.refresh()).clears == {"access_token", "refresh_token"}
    assert (await visitor.refresh()).status == 401


async def test_after_each_file_people_sign_in_stay_and_leave(
    owner: Connection, empty: Database, tmp_path: Path
) -> None:
    """A migration may stop between two files, for a lock it did not get."""
    staying = Visitor(owner)
    await staying.login()
    for version in range(BEFORE + 1, len(load()) + 1):
        add_files(tmp_path, version, version)
        await migrate(empty.owner_dsn, directory=tmp_path)
        leaving = Visitor(owner)
        assert (await leaving.login("demo", "wrong")).status == 401
        for answer in [await leaving.login(), await leaving.refresh(), await staying.refresh()]:
            assert answer.status == 204, version
        kept = leaving.same_client()
        assert (await leaving.logout()).status == 204
        assert (await kept.refresh()).status == 401, version

    await owner.execute("update auth.user set password = 'new'")
    assert (await staying.refresh()).status == 401


@pytest.mark.parametrize("version", range(BEFORE, len(load()) + 1))
async def test_after_each_file_a_new_password_ends_the_sessions(
    owner: Connection, empty: Database, tmp_path: Path, version: int
) -> None:
    add_files(tmp_path, BEFORE + 1, version)
    await migrate(empty.owner_dsn, directory=tmp_path)
    visitor = Visitor(owner)
    await visitor.login()
    await owner.execute("update auth.user set password = 'new'")

    assert (await visitor.refresh()).status == 401


async def test_a_login_that_is_under_way_is_waited_for(
    owner: Connection, empty: Database, tmp_path: Path
) -> None:
    add_files(tmp_path, BEFORE + 1, SWITCH - 1)
    await migrate(empty.owner_dsn, directory=tmp_path)
    visitor = Visitor(await asyncpg.connect(empty.owner_dsn))
    transaction = visitor.connection.transaction()
    await transaction.start()
    await visitor.login()
    migration = asyncio.create_task(migrate(empty.owner_dsn))
    waits = (
        "select exists (select from pg_stat_activity where application_name = 'postgate migrate'"
        " and datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0)"
    )
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await owner.fetchval(waits):
            pass
    await transaction.commit()
    await migration

    assert (await visitor.refresh()).status == 204
    await visitor.connection.close()
