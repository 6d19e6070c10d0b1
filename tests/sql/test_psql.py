"""The files run by hand: psql in file order leaves the same database as the runner, and it goes on."""

import hashlib
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from app.devstack import Database
from app.operator.migrations import MigrationEdited, load, migrate, pending

from .clusters import Cluster, rows
from .snapshots import snapshot

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("psql") is None, reason="psql is not installed"),
]

ROOT = Path(__file__).parents[2]
MIGRATIONS = sorted(ROOT.glob("app/sql/migrations/*.sql"))
ROUTINES = sorted(ROOT.glob("app/sql/routines/*.sql"))
CHECKSUM = hashlib.sha256(b"".join(file.read_bytes() for file in ROUTINES)).hexdigest()
ROUTINES_ALONE = ["routines"]


def psql(database: Database, files: Sequence[Path], *commands: str) -> None:
    command = ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-1", "-d", database.owner_dsn]
    command += [argument for file in files for argument in ("-f", str(file))]
    command += [argument for text in commands for argument in ("-c", text)]
    run(command)


def run(command: Sequence[str]) -> None:
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def names(migrations: Sequence[object]) -> list[object]:
    return [getattr(migration, "name", None) for migration in migrations]


@pytest.fixture
def by_hand(empty: Database) -> Database:
    """Without the last command of the document, as the checksum is optional."""
    psql(empty, [*MIGRATIONS, *ROUTINES])
    return empty


async def test_the_command_of_the_document_leaves_the_same_database(
    cluster: Cluster, empty: Database
) -> None:
    document = (ROOT / "docs/sql.md").read_text()
    (script,) = [part.partition("```")[0] for part in document.split("```sh\n")[1:] if "routines/*" in part]
    run(["/bin/sh", "-euc", f"OWNER_URL='{empty.owner_dsn}'\n{script}"])

    with cluster.database() as other:
        await migrate(other.owner_dsn)
        assert snapshot(empty) == snapshot(other)
        assert len(snapshot(other)) > 100
        checksums = "select version, checksum from postgate.migration where version = 0"
        assert rows(empty, checksums) == rows(other, checksums) == [(0, CHECKSUM)]
    assert await pending(empty.owner_dsn) == []


async def test_file_by_file_is_the_same_as_at_once(cluster: Cluster, by_hand: Database) -> None:
    with cluster.database() as other:
        for file in [*MIGRATIONS, *ROUTINES]:
            psql(other, [file])
        assert snapshot(other) == snapshot(by_hand)


async def test_the_runner_adopts_the_migrations_and_applies_the_routines_once_more(
    by_hand: Database, tmp_path: Path
) -> None:
    before = snapshot(by_hand)
    assert names(await pending(by_hand.owner_dsn)) == ROUTINES_ALONE
    assert names(await migrate(by_hand.owner_dsn)) == ROUTINES_ALONE
    assert await migrate(by_hand.owner_dsn) == []
    assert rows(by_hand, "select count(*) from postgate.migration where checksum is null") == [(0,)]
    assert snapshot(by_hand) == before

    copy = tmp_path / "sql"
    shutil.copytree(ROOT / "app/sql", copy)
    for file in (copy / "migrations").iterdir():
        file.write_text(file.read_text() + "-- edited\n")
    with pytest.raises(MigrationEdited):
        await migrate(by_hand.owner_dsn, directory=copy)


async def test_routines_run_by_hand_are_applied_again_by_the_runner(empty: Database) -> None:
    """It cannot know which files they were."""
    await migrate(empty.owner_dsn)
    psql(empty, ROUTINES)

    assert names(await migrate(empty.owner_dsn)) == ROUTINES_ALONE


async def test_the_runner_goes_on_where_the_hand_stopped(empty: Database) -> None:
    psql(empty, MIGRATIONS[:3])

    assert await migrate(empty.owner_dsn) == load()[3:]
