"""Under whose account Postgres runs. Takes root, as only root can be someone else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import MakeStack

from app.devstack import accounts
from system.devstack_parts import answers, small

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="takes root to become another user")

ORDINARY_USER = """
import os, sys
from pathlib import Path
from app.devstack import DevStack, find_programs
sys.path.insert(0, sys.argv[3])
from system.devstack_parts import small
assert os.geteuid() != 0
programs = find_programs(Path(sys.argv[2]), environ=os.environ, say=print)
with DevStack(Path(sys.argv[1]), programs, environ=os.environ, prepare=small) as stack:
    print(stack.database.fetch("select 'served'")[0][0])
"""


@pytest.mark.parametrize("user", ["65534", "54321"], ids=["known", "unknown"])
def test_an_ordinary_user_needs_no_other_account(programs_folder: Path, tmp_path: Path, user: str) -> None:
    become = ["unshare", "--user", f"--map-user={user}", f"--map-group={user}", "--"]
    if subprocess.run([*become, "true"], check=False, capture_output=True).returncode != 0:
        pytest.skip("this container refuses user namespaces")
    done = subprocess.run(
        [
            *become,
            sys.executable,
            "-c",
            ORDINARY_USER,
            tmp_path / "own",
            programs_folder,
            Path(__file__).parents[1],
        ],
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == ["served"], done.stderr


def test_a_real_account_runs_postgres_where_namespaces_are_refused(
    make_stack: MakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "SYSTEM_PATH", "")
    with make_stack(tmp_path / "below/private", prepare=small) as stack:
        # The folders of pytest are 0700 and root's: the data had to move out
        outside = stack.postgres.data.parent
        assert not outside.is_relative_to(tmp_path)
        assert (outside.stat().st_mode & 0o777, outside.stat().st_uid != 0) == (0o700, True)
        owner = Path(f"/proc/{stack.postgres.pid}").stat().st_uid
        assert owner == outside.stat().st_uid
        assert answers(stack.postgrest_url) == 200
    assert not outside.exists()


def test_data_that_was_moved_out_is_found_again(
    make_stack: MakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accounts, "SYSTEM_PATH", "")
    with make_stack(tmp_path / "own", prepare=small, keep=True) as stack:
        stack.database.execute("insert into api.word values ('kept')")
    with make_stack(tmp_path / "own", prepare=small) as stack:
        assert stack.database.fetch("select word from api.word")[0]["word"] == "kept"
