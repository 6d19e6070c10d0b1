import sys
import time
from pathlib import Path

import pytest

from bench.process import Command, cpu_seconds, parse_ticks, running, tree

DEADLINE_SECONDS = 10.0


def test_ticks_are_counted_behind_a_command_name_with_blanks_and_parentheses() -> None:
    stat = "42 (nginx: (worker) 1) S 1 42 42 0 -1 4194560 9 0 0 0 300 20 4 1 20 0 1 0 777"
    assert parse_ticks(stat) == 300 + 20 + 4 + 1


def _wait_for_two(pid: int) -> list[int]:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while len(members := tree(pid)) < 2:
        if time.monotonic() > deadline:
            pytest.fail("the second process never came")
    return members


def _is_alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


def test_the_whole_tree_of_a_child_is_counted_and_ends_with_the_block(tmp_path: Path) -> None:
    # the shell does not pass SIGTERM on: its own child would outlive it
    script = f"'{sys.executable}' -c 'import time; time.sleep(600)'; true"
    with running(Command(["sh", "-c", script], {}, tmp_path), log=tmp_path / "log") as child:
        members = _wait_for_two(child.pid)
        assert cpu_seconds(child.pid) >= 0
    deadline = time.monotonic() + DEADLINE_SECONDS
    while any(_is_alive(pid) for pid in members):
        assert time.monotonic() < deadline, "a process outlived the block"
