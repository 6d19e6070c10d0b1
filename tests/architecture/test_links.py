"""The documentation leads somewhere: its links, their anchors, and the files that it names are there."""

import re
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted([*REPOSITORY.glob("*.md"), *REPOSITORY.glob("docs/**/*.md"), *REPOSITORY.glob("bench/*.md")])
FENCE = re.compile(r"^( *)(`{3,})[^`\n]*\n.*?^\1\2`*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED = re.compile(r"`((?:app|bench|docker|docs|tests)/[\w./-]*)`")


@cache
def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    """As GitHub makes them of headings: lower case, without punctuation, repeated ones numbered."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.*)$", prose(page), re.MULTILINE):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip()
        base = name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = 0
        while name in found:
            number += 1
            name = f"{base}-{number}"
        found.add(name)
    return frozenset(found)


def leads_nowhere(page: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = page.parent / path if path else page
    return not target.exists() or (bool(anchor) and anchor not in anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(REPOSITORY)))
def test_a_page_leads_to_what_is_there(page: Path) -> None:
    links = [link for link in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link)]
    assert [link for link in links if leads_nowhere(page, link)] == []
    assert [name for name in NAMED.findall(prose(page)) if not (REPOSITORY / name).exists()] == []


def test_the_readme_leads_to_every_page() -> None:
    linked = {
        (REPOSITORY / link.partition("#")[0]).resolve()
        for link in LINK.findall(prose(PAGES[0].parent / "README.md"))
    }
    assert [page.name for page in REPOSITORY.glob("docs/*.md") if page.resolve() not in linked] == []


def test_every_module_that_the_architecture_names_is_there() -> None:
    text = prose(REPOSITORY / "docs/architecture.md")
    named = set(re.findall(r"`((?:\w+/)*\w+(?:\.py|/))`", text))
    assert len(named) > 30
    assert [
        name for name in named if not any((root / name).exists() for root in (REPOSITORY / "app", REPOSITORY))
    ] == []


def test_the_architecture_has_a_place_for_everything() -> None:
    rows = re.findall(r"^\| (`.*?`) \|", prose(REPOSITORY / "docs/architecture.md"), re.MULTILINE)
    placed = {name.rstrip("/") for row in rows for name in re.findall(r"`([\w./]+)`", row)}
    there = {path.name for path in (REPOSITORY / "app").iterdir() if path.suffix == ".py" or path.is_dir()}
    assert {name for name in there if not name.startswith("__")} - placed == set()
