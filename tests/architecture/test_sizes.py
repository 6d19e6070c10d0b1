"""Files are small and functions are short: what grows past that has two subjects."""

import ast
from pathlib import Path

import pytest

APP = Path(__file__).parents[2] / "app"
FILE_LINES = 260
FUNCTION_LINES = 50

# What is long because it is one plain list, with the reason.
LISTS = {
    "errors.py": "every error of the gateway, a few lines each",
    "events.py": "every event of the gateway, a few fields each",
}

files = sorted(str(path.relative_to(APP)) for path in APP.rglob("*.py"))


def lines(file: str) -> int:
    return len((APP / file).read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("file", files)
def test_a_file_is_small(file: str) -> None:
    assert lines(file) <= FILE_LINES or file in LISTS


@pytest.mark.parametrize("file", files)
def test_its_functions_are_short(file: str) -> None:
    long = []
    for node in ast.walk(ast.parse((APP / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or 0) - node.lineno + 1
            if length > FUNCTION_LINES:
                long.append((node.name, length))
    assert not long


@pytest.mark.parametrize("file", files)
def test_it_begins_with_what_it_knows(file: str) -> None:
    source = (APP / file).read_text(encoding="utf-8")
    assert not source or ast.get_docstring(ast.parse(source))


@pytest.mark.parametrize("file", sorted(LISTS))
def test_an_exception_is_still_needed(file: str) -> None:
    assert lines(file) > FILE_LINES


def test_no_drawer_is_named_after_what_does_not_belong_anywhere_else() -> None:
    drawers = {"util", "utils", "helper", "helpers", "common", "misc", "services", "base"}
    assert not [file for file in files if drawers & set(Path(file).with_suffix("").parts)]
