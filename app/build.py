"""What runs: the version, whether the hot path is compiled, and on which Python."""

import importlib.metadata
import importlib.util
import platform
from typing import Final

VERSION: Final = importlib.metadata.version("postgate")
PYTHON: Final = platform.python_version()


def _build() -> str:
    found = importlib.util.find_spec("app.core.admission")
    origin = str(found.origin) if found is not None else ""
    return "plain" if origin.endswith(".py") else "compiled"


BUILD: Final = _build()
