"""The files run by hand: psql in file order leaves the same database as the runner, and it goes on."""

import shutil
import subprocess
from pathlib import Path

import pytest

from app.devstack import Database
from app.migrations import Migration, MigrationEdited, load, migrate, pending

from .clusters import Cluster, rows
from .snapshots import snapshot

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed"),
]

FILES = sorted(Path(__file__).parents[2].glob("app/sql/*.sql"))


def psql(database: Database, *files: Path) -> None:
    arguments = [argument for file in files for argument in ("-f", str(file))]
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-d", database.owner_dsn, *arguments]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.fixture
def by_hand(empty: Database) -> Database:
    for file in FILES:
        psql(empty, file)
    return empty


async def test_it_is_the_same_database(cluster: Cluster, by_hand: Database) -> None:
    with cluster.database() as other, cluster.database() as at_once:
        await migrate(other.owner_dsn)
        psql(at_once, *FILES)

        assert snapshot(by_hand) == snapshot(other)
        assert snapshot(at_once) == snapshot(other)
        assert len(snapshot(other)) > 100


async def test_the_runner_adopts_it_and_knows_its_files_from_then_on(
    by_hand: Database, tmp_path: Path
) -> None:
    assert await pending(by_hand.owner_dsn) == []
    assert await migrate(by_hand.owner_dsn) == []
    assert rows(by_hand, "select count(*) from postgate.migration where checksum is null") == [(0,)]

    for file in FILES:
        (tmp_path / file.name).write_text(file.read_text() + "-- edited\n")
    with pytest.raises(MigrationEdited):
        await migrate(by_hand.owner_dsn, directory=tmp_path)


async def test_the_runner_goes_on_where_the_hand_stopped(empty: Database) -> None:
    for file in FILES[:12]:
        psql(empty, file)

    applied: list[Migration] = await migrate(empty.owner_dsn)
    assert applied == load()[12:]
