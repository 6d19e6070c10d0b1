"""Client libraries of PostgREST, unmodified, each installed once into a folder that all test runs share."""

import fcntl
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

SYSTEM = Path(__file__).parents[2] / "system"
JS = SYSTEM / "js"
PYTHON = SYSTEM / "python_client"
_INSTALL_SECONDS = 180


@pytest.fixture(scope="session")
def js_clients(programs_folder: Path, environ: Mapping[str, str]) -> Path:
    """A folder whose node_modules has the clients of the lock. Skips where they cannot be installed."""
    if shutil.which("npm") is None or shutil.which("node") is None:
        pytest.skip("npm and node are not installed")
    lock = JS / "package-lock.json"

    def install(folder: Path) -> None:
        for file in JS.glob("package*.json"):
            shutil.copy(file, folder)
        _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, environ)

    return _installed_once(programs_folder.parent / "js", lock, install)


@pytest.fixture(scope="session")
def python_client(programs_folder: Path, environ: Mapping[str, str]) -> Path:
    """A folder for PYTHONPATH with the client of the requirements. Skips where it cannot be installed."""
    requirements = PYTHON / "requirements.txt"

    def install(folder: Path) -> None:
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*command, "--target", str(folder), "--requirement", str(requirements)], folder, environ)

    return _installed_once(programs_folder.parent / "python_client", requirements, install)


def _installed_once(place: Path, versions: Path, install: Callable[[Path], None]) -> Path:
    """The folder for these versions; workers and runs wait for the first one that installs."""
    folder = place / hashlib.sha256(versions.read_bytes()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        done = folder / "installed"
        if not done.exists():
            install(folder)
            done.touch()
    return folder


def _run(command: list[str], folder: Path, environ: Mapping[str, str]) -> None:
    try:
        subprocess.run(
            command, cwd=folder, env=dict(environ), check=True, capture_output=True, timeout=_INSTALL_SECONDS
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"the clients cannot be installed: {command[0]} failed ({type(error).__name__})")
