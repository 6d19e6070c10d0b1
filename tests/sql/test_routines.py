"""Routines that change from release to release: applied whole, in one transaction, over any older state."""

import shutil
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from app.devstack import Database
from app.operator.migrations import SQL, MigrationRefused, load, migrate, pending

from .clusters import Cluster, rows
from .snapshots import snapshot
from .visitors import Connection

pytestmark = pytest.mark.anyio

HEAD = "set local search_path = pg_catalog, pg_temp;\nset local role auth_owner;\n"
LOGOUT = "routines/50_sign_in.sql"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the product's files, to change."""
    return shutil.copytree(Path(str(SQL)), tmp_path / "sql")


def edit(file: Path, old: str, new: str) -> None:
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


async def names(database: Database, folder: Path) -> list[str]:
    return [one.name for one in await migrate(database.owner_dsn, directory=folder)]


async def test_an_edited_routine_is_applied_again_with_all_others_and_then_not(
    empty: Database, folder: Path
) -> None:
    await migrate(empty.owner_dsn)
    edit(folder / LOGOUT, "'Sign out: ", "'Leave: ")
    empty.execute("comment on function auth.login(text, text) is null")

    assert [one.name for one in await pending(empty.owner_dsn, directory=folder)] == ["routines"]
    assert await names(empty, folder) == ["routines"]
    comments = (
        "select obj_description('auth.logout()'::regprocedure, 'pg_proc'),"
        " obj_description('auth.login(text, text)'::regprocedure, 'pg_proc')"
    )
    ((logout, login),) = rows(empty, comments)
    assert str(logout).startswith("Leave: ")
    assert login is not None
    assert await names(empty, folder) == []
    assert await pending(empty.owner_dsn, directory=folder) == []


async def test_a_release_before_puts_its_own_routines_back(empty: Database, folder: Path) -> None:
    edit(folder / LOGOUT, "'Sign out: ", "'Leave: ")
    await migrate(empty.owner_dsn, directory=folder)

    assert [one.name for one in await migrate(empty.owner_dsn)] == ["routines"]


FAULTS: dict[str, Callable[[Path], object]] = {
    "a statement that fails": lambda folder: (folder / "routines/99_bad.sql").write_text("select 1 / 0;"),
    "no SQL": lambda folder: (folder / "routines/99_bad.sql").write_text("oops"),
    "another result without a drop": lambda folder: (folder / "routines/99_bad.sql").write_text(
        HEAD + "create or replace function auth.logout() returns integer language sql return 1; reset role;"
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_failing_one_changes_nothing(empty: Database, folder: Path, fault: str) -> None:
    await migrate(empty.owner_dsn)
    before = snapshot(empty)
    edit(folder / LOGOUT, "'Sign out: ", "'Leave: ")
    FAULTS[fault](folder)

    with pytest.raises(MigrationRefused, match=r"99_bad\.sql failed"):
        await migrate(empty.owner_dsn, directory=folder)
    assert snapshot(empty) == before
    assert await migrate(empty.owner_dsn) == []


async def test_all_of_them_come_with_one_commit(empty: Database, folder: Path) -> None:
    await migrate(empty.owner_dsn)
    edit(folder / LOGOUT, "'Sign out: ", "'Leave: ")
    await migrate(empty.owner_dsn, directory=folder)

    wrote = (
        "select count(distinct xmin::text) from pg_proc"
        " where pronamespace in ('auth'::regnamespace, 'auth_private'::regnamespace)"
    )
    assert rows(empty, wrote) == [(1,)]


OLDER: dict[str, str] = {
    "a body": "create or replace function auth.logout() returns void language sql as ''",
    "attributes": (
        "alter function auth.login(text, text) reset all; alter function auth.login security invoker"
    ),
    "a routine that is new": "drop function auth.note_failure(text, text, text, text)",
    "a trigger that is new": "drop trigger user_350_record on auth.user",
    "a trigger that was another": (
        "create or replace trigger user_350_record after insert on auth.user"
        " for each row execute function auth_private.tg_user__record()"
    ),
    "comments": (
        "comment on function auth.login(text, text) is 'x';"
        "comment on trigger user_200_role on auth.user is 'x'"
    ),
    "grants that are new": "revoke all on function auth.logout() from anon, signed_in",
    "settings": (
        "delete from auth.setting where name = 'session_life';"
        "update auth.setting set lowest = 0, highest = 99999, default_value = 5, unit = 'x', meaning = 'y'"
    ),
}


@pytest.mark.parametrize("what", OLDER)
async def test_an_older_database_becomes_what_a_fresh_one_is(
    cluster: Cluster, empty: Database, what: str
) -> None:
    await migrate(empty.owner_dsn)
    with cluster.database() as fresh:
        await migrate(fresh.owner_dsn)
        empty.execute(OLDER[what])
        empty.execute("update postgate.migration set checksum = repeat('0', 64) where version = 0")
        assert snapshot(empty) != snapshot(fresh)

        assert [one.name for one in await migrate(empty.owner_dsn)] == ["routines"]
        assert snapshot(empty) == snapshot(fresh)


async def test_a_routine_that_gets_other_arguments_is_dropped_by_a_migration(
    cluster: Cluster, empty: Database, folder: Path
) -> None:
    older = folder / "routines/99_older.sql"
    older.write_text(
        f"{HEAD}create or replace function auth.hello(name text) returns text language sql immutable\n"
        "  set search_path = pg_catalog, pg_temp return name;\n"
        "comment on function auth.hello(text) is 'x';\nreset role;\n"
    )
    await migrate(empty.owner_dsn, directory=folder)
    edit(older, "name text", "name text, other text")
    edit(older, "hello(text) is", "hello(text, text) is")
    number = len(load())
    (folder / f"migrations/{number:04}_other.sql").write_text(
        f"insert into postgate.migration (version, name) values ({number}, '{number:04}_other');"  # noqa: S608
        "drop function if exists auth.hello(text);"
    )

    assert await names(empty, folder) == [f"{number:04}_other", "routines"]
    with cluster.database() as fresh:
        await migrate(fresh.owner_dsn, directory=folder)
        assert snapshot(empty) == snapshot(fresh)


async def test_what_depends_on_a_routine_stays(empty: Database, folder: Path) -> None:
    await migrate(empty.owner_dsn)
    empty.execute(
        "create table public.todo (owner text default auth.username());"
        "create policy own on public.todo using (owner = (select auth.username()));"
        "create function public.leave() returns void language sql return auth.logout();"
        "grant execute on function auth.logout() to authenticator"
    )
    edit(folder / LOGOUT, "'Sign out: ", "'Leave: ")
    assert await names(empty, folder) == ["routines"]

    assert rows(empty, "select has_function_privilege('authenticator', 'auth.logout()', 'execute')") == [
        (True,)
    ]
    assert rows(empty, "select count(*) from pg_policies") == [(1,)]


async def test_two_at_once_apply_them_once(empty: Database, folder: Path) -> None:
    """By the runner and by hand: the row of the book makes one wait."""
    await migrate(empty.owner_dsn)
    other: Connection = await asyncpg.connect(empty.owner_dsn)
    transaction = other.transaction()
    await transaction.start()
    await other.execute((folder / "routines/00_book.sql").read_text())
    edit(folder / LOGOUT, "'Sign out: ", "'Leave: ")
    with pytest.raises(MigrationRefused, match=r"00_book\.sql failed.*lock timeout"):
        await migrate(empty.owner_dsn, directory=folder)
    await transaction.commit()
    await other.close()

    assert await names(empty, folder) == ["routines"]
