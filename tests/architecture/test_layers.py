"""The layers hold: arrows point down, and the core knows no world."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import grimp
import pytest

APP = Path(__file__).parents[2] / "app"

# Everything the core may know. Nothing in it waits, opens, reads a clock or an environment.
PURE = {
    "abc",
    "app.core",
    "app.errors",
    "base64",
    "binascii",
    "collections.abc",
    "contextlib",
    "cryptography.hazmat.primitives.asymmetric",  # arithmetic alone
    "dataclasses",
    "enum",
    "functools",
    "hashlib",
    "hmac",
    "http",
    "ipaddress",
    "json",
    "jwt.algorithms",
    "jwt.exceptions",
    "re",
    "typing",
    "typing_extensions",
    "urllib.parse",
    "uuid",
}
PURE_FILES = [*sorted((APP / "core").rglob("*.py")), APP / "errors.py", APP / "events.py"]
name = "{0.parent.name}/{0.name}".format


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield node.module or ""


def test_the_contracts_of_the_layers_are_kept() -> None:
    linter = Path(sys.executable).with_name("lint-imports")
    ran = subprocess.run(
        [linter, "--no-cache", "--no-logo"], cwd=APP.parent, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
    assert "0 broken" in ran.stdout


@pytest.mark.parametrize("path", PURE_FILES, ids=name)
def test_the_core_imports_nothing_that_has_effects(path: Path) -> None:
    assert {module for module in imports(path) if not module.startswith("app.core.")} <= PURE


@pytest.mark.parametrize("path", PURE_FILES, ids=name)
def test_the_core_neither_waits_nor_writes(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    waiting = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    assert not [node for node in ast.walk(tree) if isinstance(node, waiting)]
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "input", "exec", "eval", "__import__"}


def test_the_product_knows_nothing_of_its_tests() -> None:
    for path in APP.rglob("*.py"):
        assert not {module.partition(".")[0] for module in imports(path)} & {"tests", "bench", "pytest"}, path


def test_only_the_settings_read_the_environment() -> None:
    readers = set()
    for path in APP.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and ast.unparse(node) in {
                "os.environ",
                "os.environb",
                "os.getenv",
            }:
                readers.add(str(path.relative_to(APP)))
    handed_down = {"cli/gateway.py"}  # `dev` gives it to the servers that it starts
    assert readers == {"settings/reading.py"} | handed_down


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = grimp.build_graph("app", cache_dir=None)
    TopologicalSorter(
        {name: graph.find_modules_directly_imported_by(name) for name in graph.modules}
    ).prepare()


def test_no_file_imports_only_for_types() -> None:
    """A file that needs `TYPE_CHECKING` to import its neighbour is part of a circle."""
    assert not [path for path in APP.rglob("*.py") if "TYPE_CHECKING" in path.read_text(encoding="utf-8")]
