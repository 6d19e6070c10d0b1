"""docs/architecture.md shows the layers that import-linter holds, and its walks are true."""

import re
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
APP = REPOSITORY / "app"
PAGE = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
CONTRACTS = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"]
ARROW = " ──► "
WIDTH = 100
NAMED = re.compile(r"`([\w.]+)` \(`([\w/]+\.py)`\)")
FILE = re.compile(r"`([\w/]+\.py)`")


def listed() -> dict[str, list[str]]:
    """The layers of each folder, from the top."""
    layered = [contract for contract in CONTRACTS["contracts"] if contract["type"] == "layers"]
    return {
        folder.replace(".", "/"): contract["layers"]
        for contract in layered
        for folder in contract["containers"]
    }


def picture() -> str:
    blocks = []
    for folder, layers in listed().items():
        lines = [layers[0].strip()]
        for layer in layers[1:]:
            if len(lines[-1]) + len(ARROW) + len(layer) > WIDTH:
                lines.append(ARROW.strip() + " " + layer)
            else:
                lines[-1] += ARROW + layer
        blocks.append("\n    ".join([f"{folder}/", *lines]))
    return "\n".join(blocks)


def walk(heading: str) -> str:
    section = PAGE.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    return "\n".join(line for line in section.splitlines() if re.match(r"\d+\. ", line))


def test_every_list_is_exhaustive() -> None:
    layered = [contract for contract in CONTRACTS["contracts"] if contract["type"] == "layers"]
    assert all(contract["exhaustive"] for contract in layered)


def test_the_picture_is_drawn_from_the_lists() -> None:
    assert f"```\n{picture()}\n```" in PAGE, f"the picture is now:\n{picture()}"


@pytest.mark.parametrize("heading", ["One request, traced", "One renewal, traced"])
def test_a_walk_comes_to_each_file_once(heading: str) -> None:
    files = FILE.findall(walk(heading))
    assert len(files) > 5
    assert not {file for file in files if files.count(file) > 1}


@pytest.mark.parametrize(("name", "file"), sorted(set(NAMED.findall(PAGE))))
def test_what_the_page_names_is_in_its_file(name: str, file: str) -> None:
    source = (APP / file).read_text(encoding="utf-8")
    for part in name.split("."):
        assert re.search(rf"\b{part}\b", source), name


def test_every_file_on_the_page_is_there() -> None:
    missing = [
        file for file in FILE.findall(PAGE) if not (APP / file).exists() and not (REPOSITORY / file).exists()
    ]
    assert not missing
