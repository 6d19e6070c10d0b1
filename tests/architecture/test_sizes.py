"""Files are small and functions are short: what grows past that has two subjects."""

import ast
from pathlib import Path

APP = Path(__file__).parents[2] / "app"
FILE_LINES = 260
FUNCTION_LINES = 40  # without its docstring
REASON = "Long because "  # in the docstring of what is longer

files = sorted(str(path.relative_to(APP)) for path in APP.rglob("*.py"))
Function = ast.FunctionDef | ast.AsyncFunctionDef


def source(file: str) -> str:
    return (APP / file).read_text(encoding="utf-8")


def is_explained(node: Function | ast.Module) -> bool:
    return REASON in (ast.get_docstring(node) or "")


def body_lines(function: Function) -> int:
    first = function.body[0]
    has_docstring = ast.get_docstring(function) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if has_docstring else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_a_file_is_small_or_says_why_not() -> None:
    long = {file for file in files if len(source(file).splitlines()) > FILE_LINES}
    assert long == {file for file in files if is_explained(ast.parse(source(file)))}


def test_a_function_is_short_or_says_why_not() -> None:
    functions = [
        (file, node)
        for file in files
        for node in ast.walk(ast.parse(source(file)))
        if isinstance(node, Function)
    ]
    long = {(file, node.name) for file, node in functions if body_lines(node) > FUNCTION_LINES}
    assert long == {(file, node.name) for file, node in functions if is_explained(node)}


def test_a_file_begins_with_what_it_knows() -> None:
    texts = {file: source(file) for file in files}
    assert not [file for file, text in texts.items() if text and not ast.get_docstring(ast.parse(text))]


def test_no_drawer_is_named_after_what_does_not_belong_anywhere_else() -> None:
    drawers = {"util", "utils", "helper", "helpers", "common", "misc", "services", "base"}
    assert not [file for file in files if drawers & set(Path(file).with_suffix("").parts)]
