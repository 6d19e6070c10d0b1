"""The migration runner: all that is due or nothing, and a clear word when it will not go on.

What becomes of routines that change is in test_routines.py.
"""

import asyncio
import shutil
from pathlib import Path

import asyncpg
import pytest

from app.database import DatabaseUnreachable
from app.devstack import Database
from app.operator.migrations import (
    SQL,
    DatabaseNewer,
    Migration,
    MigrationBusy,
    MigrationEdited,
    MigrationRefused,
    MigrationSkipped,
    load,
    migrate,
    pending,
)

from .clusters import rows
from .visitors import Connection

pytestmark = pytest.mark.anyio

DEADLINE_SECONDS = 10
NEXT = len(load())  # the last is the routines


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the product's files, to change."""
    return shutil.copytree(Path(str(SQL)), tmp_path / "sql")


def add(folder: Path, sql: str, *, name: str = "extra") -> str:
    version = len(load(folder))
    booked = f"{version:04}_{name}"
    columns = "postgate.migration (version, name)"
    booking = f"insert into {columns} values ({version}, '{booked}');\n"  # noqa: S608 (ours)
    (folder / "migrations" / f"{booked}.sql").write_text(booking + sql)
    return booked


async def book(database: Database) -> list[tuple[int, str, str | None]]:
    connection: Connection = await asyncpg.connect(database.owner_dsn)
    rows = await connection.fetch("select version, name, checksum from postgate.migration order by version")
    await connection.close()
    return [(row["version"], row["name"], row["checksum"]) for row in rows]


async def test_a_fresh_database_gets_everything_in_order_and_then_nothing(empty: Database) -> None:
    seen: list[Migration] = []
    assert await pending(empty.owner_dsn) == load()
    applied = await migrate(empty.owner_dsn, on_applied=seen.append)

    assert applied == seen == load()
    assert await book(empty) == sorted((one.version, one.name, one.checksum) for one in applied)
    assert await migrate(empty.owner_dsn, on_applied=seen.append) == []
    assert await pending(empty.owner_dsn) == []
    assert seen == applied


async def test_a_later_file_is_applied_with_the_routines_after_it(empty: Database, folder: Path) -> None:
    await migrate(empty.owner_dsn, directory=folder)
    add(folder, "create table public.extra (a int);")

    due = [f"{NEXT:04}_extra", "routines"]
    assert [one.name for one in await pending(empty.owner_dsn, directory=folder)] == due
    assert [one.name for one in await migrate(empty.owner_dsn, directory=folder)] == due


async def test_ten_at_once_apply_each_file_once(empty: Database) -> None:
    results = await asyncio.gather(*(migrate(empty.owner_dsn) for _ in range(10)))

    assert sorted(len(applied) for applied in results) == [0] * 9 + [len(load())]
    assert len(await book(empty)) == len(load())


async def test_an_edited_file_stops_before_anything_is_applied(empty: Database, folder: Path) -> None:
    await migrate(empty.owner_dsn, directory=folder)
    edited = folder / "migrations/0005_users.sql"
    edited.write_text(edited.read_text() + "-- one more remark\n")
    add(folder, "create table public.extra (a int);")

    for attempt in (migrate, pending):
        with pytest.raises(MigrationEdited, match=r"0005_users\.sql is not the file"):
            await attempt(empty.owner_dsn, directory=folder)
    assert len(await book(empty)) == len(load())


@pytest.fixture
def from_windows(folder: Path) -> Path:
    for path in folder.glob("*/*.sql"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    return folder


async def test_a_checkout_with_other_line_ends_is_the_same_file(empty: Database, from_windows: Path) -> None:
    await migrate(empty.owner_dsn)

    assert await migrate(empty.owner_dsn, directory=from_windows) == []


async def test_a_database_of_a_newer_release_is_left_alone(empty: Database, folder: Path) -> None:
    add(folder, "")
    await migrate(empty.owner_dsn, directory=folder)

    for attempt in (migrate, pending):
        with pytest.raises(DatabaseNewer, match=f"at migration {NEXT}, and this release has {NEXT - 1}"):
            await attempt(empty.owner_dsn)


async def test_a_gap_in_the_book_is_not_filled_later(empty: Database) -> None:
    await migrate(empty.owner_dsn)
    empty.execute("delete from postgate.migration where version = 7")

    with pytest.raises(MigrationSkipped, match="lacks 0007_events"):
        await migrate(empty.owner_dsn)


async def test_a_file_that_fails_leaves_no_trace_nor_do_the_ones_before_it(
    empty: Database, folder: Path
) -> None:
    await migrate(empty.owner_dsn)
    before = await book(empty)
    add(folder, "create table public.kept (a int);", name="good")
    bad = add(folder, "create table public.gone (a int); select 1 / 0;", name="bad")

    with pytest.raises(
        MigrationRefused, match=rf"{NEXT + 1:04}_bad\.sql failed: division by zero \(22012\)"
    ) as failed:
        await migrate(empty.owner_dsn, directory=folder)

    assert (failed.value.name, failed.value.sqlstate) == (f"{bad}.sql", "22012")
    assert await book(empty) == before
    left = "select to_regclass('public.kept') is not null, to_regclass('public.gone') is not null"
    assert rows(empty, left) == [(False, False)]


async def test_an_error_does_not_quote_rows(empty: Database, folder: Path) -> None:
    add(folder, "create table public.t (a int); insert into public.t values (1);")
    add(
        folder,
        "alter table public.t add check (a = 0) not valid; update public.t set a = 424242;",
        name="bad",
    )
    with pytest.raises(MigrationRefused) as failed:
        await migrate(empty.owner_dsn, directory=folder)

    assert failed.value.sqlstate == "23514"
    assert "424242" not in str(failed.value)


async def test_a_file_waits_for_a_lock_only_so_long(
    empty: Database, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everyone who comes after a waiting migration waits as well."""
    await migrate(empty.owner_dsn, directory=folder)
    add(folder, "alter table auth.user add column note text;")
    monkeypatch.setattr("app.operator.migrations.LOCK_MILLISECONDS", 50)
    holder: Connection = await asyncpg.connect(empty.owner_dsn)
    async with holder.transaction():
        await holder.execute("lock table auth.user in access share mode")
        with pytest.raises(MigrationRefused) as failed:
            await migrate(empty.owner_dsn, directory=folder)
    await holder.close()

    assert failed.value.sqlstate == "55P03"
    applied = await migrate(empty.owner_dsn, directory=folder)
    assert [one.name for one in applied] == [f"{NEXT:04}_extra", "routines"]


async def test_a_file_may_set_its_own_time_outs(empty: Database, folder: Path) -> None:
    add(
        folder,
        "set local statement_timeout = '1h'; set local lock_timeout = '1min';"
        "create table public.seen as select current_setting('statement_timeout') as s;",
    )
    add(folder, "insert into public.seen values (current_setting('statement_timeout'));", name="next")
    await migrate(empty.owner_dsn, directory=folder)

    assert rows(empty, "select s from public.seen") == [("1h",), ("30s",)]


async def test_a_migration_that_does_not_end_is_waited_for_only_so_long(empty: Database) -> None:
    other: Connection = await asyncpg.connect(empty.owner_dsn)
    await other.execute("select pg_advisory_lock($1)", int.from_bytes(b"postgate", "big"))
    with pytest.raises(MigrationBusy):
        await migrate(empty.owner_dsn, wait_seconds=0.05)
    await other.close()

    assert len(await migrate(empty.owner_dsn)) == len(load())


async def test_postgrest_is_told_once_and_only_if_something_changed(empty: Database) -> None:
    heard: asyncio.Queue[object] = asyncio.Queue()
    listener: Connection = await asyncpg.connect(empty.owner_dsn)
    await listener.add_listener("pgrst", lambda *notification: heard.put_nowait(notification[-1]))
    await migrate(empty.owner_dsn)
    await migrate(empty.owner_dsn)
    await listener.execute("notify pgrst, 'the end'")  # whatever came before it has been heard
    async with asyncio.timeout(DEADLINE_SECONDS):
        words = [await heard.get() for _ in range(2)]
    await listener.close()

    assert words == ["reload schema", "the end"]


@pytest.mark.parametrize(
    ("dsn", "words"),
    [
        ("postgresql://owner:hunter2@/app?host=/nowhere&port=5432", "nothing listens at that address"),
        ("postgresql://owner:hunter2@127.0.0.1:1/app", "nothing listens at that address"),
        ("mysql://owner:hunter2@db/app", "the URL is not a PostgreSQL URL"),
        ("postgresql://owner:hunter2@db:port/app", "the URL is not a PostgreSQL URL"),
    ],
)
async def test_a_database_out_of_reach_is_said_without_the_url(dsn: str, words: str) -> None:
    with pytest.raises(DatabaseUnreachable) as failed:
        await migrate(dsn)

    assert str(failed.value) == words
    error: BaseException | None = failed.value
    while error is not None:
        assert "hunter2" not in str(error)
        error = error.__cause__


async def test_a_missing_database_is_a_refusal(empty: Database) -> None:
    with pytest.raises(DatabaseUnreachable, match="it has no database of that name"):
        await migrate(Database("missing", empty.socket_folder).owner_dsn)


async def test_a_role_without_rights_learns_that_it_has_none(own: Database) -> None:
    with pytest.raises(MigrationRefused, match="The list of migrations failed: permission denied"):
        await pending(own.gateway_dsn)


def test_the_files_of_the_product_are_numbered_without_a_gap() -> None:
    assert [migration.version for migration in load()] == [*range(1, len(load())), 0]
    assert SQL.is_dir()


@pytest.mark.parametrize("name", ["0002_second", "0001-first", "1_first", "0001_First", "first"])
def test_a_file_out_of_line_is_found_before_any_connection_is_made(tmp_path: Path, name: str) -> None:
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / f"{name}.sql").touch()
    with pytest.raises(ValueError, match="is not the name of migration 1"):
        load(tmp_path)


def test_what_is_no_sql_file_is_not_looked_at(folder: Path) -> None:
    shutil.copy(folder / "migrations/0001_bookkeeping.sql", folder / "migrations/0001_bookkeeping.sql.orig")
    shutil.copy(folder / "routines/00_book.sql", folder / "routines/00_book.sql~")

    assert load(folder) == load()
