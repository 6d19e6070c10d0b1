"""docs/architecture.md says where a change goes: few places, and each is there."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/architecture.md").read_text(encoding="utf-8")
MOST_PLACES = 3
SECTION = PAGE.partition("## Where a change goes\n")[2].partition("\n## ")[0]
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in SECTION.splitlines()
    if line.startswith("| ") and not line.startswith("| change ")
]
PLACE = re.compile(r"`((?:app|docs)/[\w./]+)`(?: \(([^)]*)\))?")


def test_the_changes_that_are_made_most_are_listed() -> None:
    listed = " ".join(row[0] for row in ROWS)
    for change in ("header field", "setting", "metric", "auth function", "grace window"):
        assert change in listed


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_change_takes_few_places_and_each_is_there(row: list[str]) -> None:
    _, code, documents = row
    places = PLACE.findall(code)
    assert 1 <= len(places) <= MOST_PLACES
    for path, inside in [*places, *PLACE.findall(documents)]:
        place = REPOSITORY / path
        assert place.exists(), path
        for name in re.findall(r"`(\w+)`", inside):
            assert re.search(rf"\b{name}\b", place.read_text(encoding="utf-8")), (path, name)


def test_no_place_is_named_without_its_path() -> None:
    named = re.findall(r"`([\w./]*/[\w./]*)`", " ".join(cell for row in ROWS for cell in row[1:]))
    assert named == [path for row in ROWS for cell in row[1:] for path, _ in PLACE.findall(cell)]
