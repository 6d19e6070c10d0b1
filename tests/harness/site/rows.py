"""The tie between a row of docs/compared-with-caddy.md and the test that holds it."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

TESTS = Path(__file__).parents[2] / "system"
DOCUMENT = TESTS.parents[1] / "docs/compared-with-caddy.md"

Test = TypeVar("Test", bound=Callable[..., object])

_TIED = re.compile(r"^ *@row\((.+?)\)$", re.MULTILINE)
_NAMED = re.compile(r'"([a-z0-9-]+)"')
_ROW = re.compile(r"^\| `([a-z0-9-]+)` \|(.*)\|$", re.MULTILINE)


def row(*_ids: str) -> Callable[[Test], Test]:
    """Say which rows of the document a test holds."""
    return lambda test: test


def tied_rows() -> list[str]:
    """The rows that tests hold."""
    sources = (file.read_text() for file in sorted(TESTS.glob("test_*.py")))
    return [name for source in sources for tied in _TIED.findall(source) for name in _NAMED.findall(tied)]


def documented_rows() -> dict[str, list[str]]:
    """The rows of the document: their other cells by their ids."""
    return {
        name: [cell.strip() for cell in cells.split(" | ")]
        for name, cells in _ROW.findall(DOCUMENT.read_text())
    }
