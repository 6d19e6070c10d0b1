"""The running build: version, whether the hot path is compiled, and Python version."""

import importlib.metadata
import importlib.util
import platform
from pathlib import Path
from typing import Final, Literal

_NOTE: Final = Path(__file__).with_name("plain.txt")  # hatch_build.py writes it if it cannot compile


def _build() -> Literal["compiled", "plain"]:
    found = importlib.util.find_spec("app.core.admission")
    return "plain" if found is None or str(found.origin).endswith(".py") else "compiled"


VERSION: Final = importlib.metadata.version("postgate")
PYTHON: Final = platform.python_version()
BUILD: Final = _build()


def why_plain() -> str:
    """Why the installation could not compile the hot path; empty if it could, or if not requested."""
    return _NOTE.read_text(encoding="utf-8").strip() if BUILD == "plain" and _NOTE.is_file() else ""
