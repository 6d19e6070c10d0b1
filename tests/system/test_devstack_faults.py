"""The embedded stack, broken on purpose: stopped, killed, hung, and healed."""

import signal
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import pytest
from conftest import MakeStack

from app.devstack import DevStack, StackUnavailable
from app.devstack.children import Child
from app.devstack.database import run_now
from system.devstack_parts import answers, client, eventually, small


def test_postgres_stops_and_comes_back_under_the_same_names(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        stack.postgres.stop()
        assert not stack.postgres.is_running()
        assert answers(stack.postgrest_url) == 503
        stack.postgres.start()
        stack.postgrest.wait_ready()
        assert answers(stack.postgrest_url) == 200


def test_postgres_heals_after_a_kill(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        stack.database.execute("insert into api.word values ('committed')")
        stack.postgres.crash()
        assert (stack.postgres.data / "postmaster.pid").exists()
        stack.postgres.start()
        assert stack.database.fetch("select word from api.word")[0]["word"] == "committed"


def test_a_stale_process_id_that_is_now_someone_elses_is_forgotten(
    make_stack: MakeStack, tmp_path: Path
) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        stack.postgres.crash()
        pid_file = stack.postgres.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        # Postgres alone would refuse: the process lives
        pid_file.write_text("\n".join([str(stack.postgrest.pid), *lines[1:]]) + "\n")
        stack.postgres.start()
        assert stack.postgrest.is_running()


def test_a_server_that_outlived_its_parent_is_ended(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        left_over = stack.postgres._child
        assert left_over is not None
        stack.postgres._child = None
        stack.postgres.start()
        assert not left_over.is_running()
        assert stack.database.fetch("select 1")[0][0] == 1


def test_postgres_can_hang_and_go_on(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        stack.postgres.pause()
        with pytest.raises(TimeoutError):
            run_now(asyncpg.connect(stack.owner_dsn, timeout=0.2))
        stack.postgres.resume()
        assert stack.database.fetch("select 1")[0][0] == 1


def test_postgrest_restarts_under_the_same_url(stack: DevStack) -> None:
    another = stack.start_postgrest()
    url = another.url
    another.crash()
    with pytest.raises(httpx.ConnectError):
        answers(url, "/notice")
    another.restart()
    assert (another.url, answers(url, "/notice")) == (url, 200)
    another.stop()


def test_postgrest_can_hang_and_go_on(stack: DevStack) -> None:
    another = stack.start_postgrest()
    another.pause()
    with client(another.url) as http, pytest.raises(httpx.ReadTimeout):
        http.get("/notice", timeout=0.2)
    another.resume()
    assert answers(another.url, "/notice") == 200
    another.stop()


def test_a_postgrest_that_cannot_start_says_why(stack: DevStack) -> None:
    misled = replace(stack.options, environ={"PGRST_LOG_LEVEL": "chatty"})
    with pytest.raises(StackUnavailable, match=r"PostgREST .* ended:\n.+"):
        stack.start_postgrest(misled)


def test_a_child_is_not_started_from_a_thread_that_may_end_before_us(tmp_path: Path) -> None:
    async def start() -> None:
        Child(["true"], environ={}, log=tmp_path / "log")

    with pytest.raises(RuntimeError, match="main"):
        run_now(start())  # runs in a thread of its own


def test_a_child_that_does_not_heed_is_killed(tmp_path: Path) -> None:
    log = tmp_path / "log"
    child = Child(["sh", "-c", "trap '' TERM; echo deaf; while :; do sleep 1; done"], environ={}, log=log)
    eventually(lambda: "deaf" in child.output())
    child.stop(signal.SIGTERM, seconds=0.1)
    assert not child.is_running()
