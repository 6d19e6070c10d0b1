"""The embedded stack as tests use it: its start, its files, its secret, several databases at once."""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import MakeStack

from app.devstack import DevStack, Programs, StackUnavailable
from system.devstack_parts import answers, client, small


def test_postgrest_serves_the_prepared_database(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        with client(stack.postgrest_url) as http:
            assert http.post("/word", json={"word": "hello"}).status_code == 201
            assert http.get("/word").json() == [{"word": "hello"}]
        assert stack.database.fetch("select word from api.word")[0]["word"] == "hello"


def test_a_second_start_is_quick_and_finds_the_same_data_and_secret(
    programs: Programs, environ: Mapping[str, str], tmp_path: Path
) -> None:
    def durable() -> DevStack:
        return DevStack(tmp_path / "own", programs, environ=environ, prepare=small)

    with durable() as stack:
        stack.database.execute("insert into api.word values ('kept')")
        secret = stack.jwt_secret
    seconds = []
    for _ in range(3):  # the best of three: the machine may be busy with other tests
        began = time.monotonic()
        with durable() as stack:
            seconds.append(time.monotonic() - began)
            assert stack.database.fetch("select word from api.word")[0]["word"] == "kept"
            assert stack.jwt_secret == secret
    assert min(seconds) < 2


def test_secret_logs_and_sockets_are_for_us_alone(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        private = [stack.folder / "jwt_secret", *stack.folder.glob("*.log")]
        assert len(private) == 3
        assert {path.stat().st_mode & 0o777 for path in private} == {0o600}
        assert stack.run_folder.stat().st_mode & 0o777 == 0o700
        assert stack.database.fetch("show listen_addresses")[0][0] == ""


def test_a_secret_that_others_can_read_is_refused(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small, keep=True) as stack:
        (stack.folder / "jwt_secret").chmod(0o644)

    with (
        pytest.raises(StackUnavailable, match="Other users can read"),
        make_stack(tmp_path / "own", prepare=small),
    ):
        pass


def test_nothing_is_left_of_a_stack_that_is_not_kept(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        pids = [stack.postgres.pid, stack.postgrest.pid]
    assert not stack.folder.exists()
    assert not stack.run_folder.exists()
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_one_folder_serves_one_stack_at_a_time(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small) as stack:
        with pytest.raises(StackUnavailable, match=rf"process {os.getpid()}\) runs on .*own: stop it"):
            make_stack(tmp_path / "own", prepare=small).__enter__()
        assert answers(stack.postgrest_url) == 200


def test_settings_of_the_caller_do_not_lead_the_servers_astray(
    programs: Programs, environ: Mapping[str, str], cluster_template: Path, tmp_path: Path
) -> None:
    astray = {"PGDATA": "/nowhere", "PGPORT": "1", "PGRST_DB_SCHEMAS": "nothing", "PGHOST": "nowhere"}
    with DevStack(
        tmp_path / "own",
        programs,
        environ={**environ, **astray},
        prepare=small,
        template=cluster_template,
        keep=False,
    ) as stack:
        assert answers(stack.postgrest_url) == 200


def test_sockets_have_short_paths_wherever_temporary_files_go(
    make_stack: MakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    far = tmp_path.joinpath(*["a-long-way-down"] * 6)
    far.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(far))
    with make_stack(tmp_path / "own", prepare=small) as stack:
        assert len(bytes(stack.run_folder / "postgrest99.sock")) < 104
        assert answers(stack.postgrest_url) == 200


def test_data_of_another_major_version_is_not_touched(make_stack: MakeStack, tmp_path: Path) -> None:
    with make_stack(tmp_path / "own", prepare=small, keep=True) as stack:
        version = stack.postgres.data / "PG_VERSION"
    version.write_text("12\n")

    with pytest.raises(StackUnavailable, match="was made by Postgres 12"):
        make_stack(tmp_path / "own", prepare=small).__enter__()


class TestSharedStack:
    def test_a_second_postgrest_serves_other_schemas(self, stack: DevStack) -> None:
        both = stack.start_postgrest(replace(stack.options, schemas=("api", "auth")))
        with client(both.url) as http:
            assert http.get("/", headers={"Accept-Profile": "auth"}).status_code == 200
        with client(stack.postgrest_url) as http:
            assert http.get("/", headers={"Accept-Profile": "auth"}).status_code == 406
        both.stop()

    def test_a_fresh_database_is_filled_and_apart_from_the_others(self, stack: DevStack) -> None:
        with stack.fresh_database() as one, stack.fresh_database() as other:
            one.execute("delete from api.notice")
            assert one.fetch("select from api.notice") == []
            assert len(other.fetch("select from api.notice")) == 2
            own = stack.start_postgrest(database=one)
            with client(own.url) as http:
                assert http.get("/notice").json() == []
            own.stop()

    def test_an_empty_database_is_empty(self, stack: DevStack) -> None:
        with stack.fresh_database(prepared=False) as empty:
            assert empty.fetch("select from pg_namespace where nspname in ('api', 'auth')") == []

    def test_the_gateway_may_log_in_and_is_not_the_owner(self, stack: DevStack) -> None:
        user = stack.database.fetch("select current_user", role="gateway")[0][0]
        assert (user, "gateway" in stack.gateway_dsn) == ("gateway", True)
