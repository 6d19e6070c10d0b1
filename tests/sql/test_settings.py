"""auth.setting: what the owner may tune, within a range; no upgrade takes it back."""

import shutil
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.devstack import Database
from app.operator.migrations import SQL, MigrationRefused, migrate

from .clusters import rows
from .visitors import Connection, Visitor

pytestmark = pytest.mark.anyio

LIST = "select name, lowest, highest, default_value from auth.setting order by name"
SET = "update auth.setting set value = $2 where name = $1"


async def settings(connection: Connection) -> list[Any]:
    found = await connection.fetch(LIST)
    assert len(found) == 19
    return found


async def test_each_has_a_function_of_its_name_that_reads_it(connection: Connection) -> None:
    seconds = {"hours": 3600, "minutes": 60, "seconds": 1}
    for name, unit, value in await connection.fetch("select name, unit, highest from auth.setting"):
        await connection.execute(SET, name, value)
        read = await connection.fetchval(f"select auth_private.{name}()::text")
        if read.count(":") == 2:
            hours, minutes, rest = map(int, read.split(":"))
            assert hours * 3600 + minutes * 60 + rest == value * seconds[unit]
        else:
            assert int(read) == value


async def test_a_value_out_of_its_range_is_refused(connection: Connection) -> None:
    for name, lowest, highest, _ in await settings(connection):
        for value in (lowest, highest, None):
            await connection.execute(SET, name, value)
        for value in (lowest - 1, highest + 1):
            with pytest.raises(asyncpg.CheckViolationError):
                async with connection.transaction():
                    await connection.execute(SET, name, value)


async def test_an_upgrade_keeps_what_the_owner_has_set_and_brings_new_defaults(
    empty: Database, tmp_path: Path
) -> None:
    await migrate(empty.owner_dsn)
    empty.execute("update auth.setting set value = 20 where name = 'refresh_token_grace'")
    folder = shutil.copytree(Path(str(SQL)), tmp_path / "sql")
    file = folder / "routines/12_settings.sql"
    file.write_text(
        file.read_text()
        .replace("'refresh_token_grace', 60,", "'refresh_token_grace', 30,")
        .replace("'session_life', 2160,", "'session_life', 1000,")
    )
    assert await migrate(empty.owner_dsn, directory=folder)

    read = "select auth_private.refresh_token_grace()::text, auth_private.session_life()::text"
    assert rows(empty, read) == [("00:00:20", "1000:00:00")]
    empty.execute("update auth.setting set value = null")
    assert rows(empty, read) == [("00:00:30", "1000:00:00")]


async def test_a_range_that_excludes_what_the_owner_has_set_stops_the_upgrade(
    empty: Database, tmp_path: Path
) -> None:
    await migrate(empty.owner_dsn)
    empty.execute("update auth.setting set value = 10 where name = 'bcrypt_cost'")
    folder = shutil.copytree(Path(str(SQL)), tmp_path / "sql")
    file = folder / "routines/12_settings.sql"
    file.write_text(file.read_text().replace("'bcrypt_cost', 12, 10,", "'bcrypt_cost', 12, 11,"))
    with pytest.raises(MigrationRefused, match="setting_value_check"):
        await migrate(empty.owner_dsn, directory=folder)

    assert rows(empty, "select auth_private.bcrypt_cost()") == [(10,)]


async def test_a_missing_row_is_an_error_and_never_no_limit(connection: Connection, visitor: Visitor) -> None:
    for name, *_ in await settings(connection):
        async with connection.transaction():
            await connection.execute("delete from auth.setting where name = $1", name)
            with pytest.raises(asyncpg.ConfigFileError, match=f"the row {name} of auth.setting is missing"):
                async with connection.transaction():
                    await connection.fetchval("select auth_private.tunable($1)", name)
            await connection.execute("insert into auth.setting values ($1, null, 1, 1, 1, 'x', 'y')", name)


@pytest.mark.parametrize("role", ["anon", "basic_subscriber", "gateway", "authenticator", "signed_in"])
async def test_no_role_but_the_owner_reads_or_writes_it(connection: Connection, role: str) -> None:
    await connection.execute(f"set local role {role}")
    for statement in ("select value from auth.setting", "update auth.setting set value = null"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with connection.transaction():
                await connection.execute(statement)
