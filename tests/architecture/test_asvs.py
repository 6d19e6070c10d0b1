"""docs/asvs.md: each requirement once, with a status, and what it points to is there."""

import re
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGE = (REPOSITORY / "docs/asvs.md").read_text(encoding="utf-8")
TABLES, _, NOT_APPLICABLE = PAGE.partition("## Not applicable")
ROWS = re.findall(r"^\| (\d+\.\d+\.\d+) \| ([12]) \| ([^|]+) \| (\w+) \| ([^|]*) \|$", TABLES, re.MULTILINE)
STATUSES = {"met", "exception", "factors"}
# Chapters that are gone through whole: how many requirements of level 1 and 2 version 5.0 has in each
SIZES = {3: 19, 6: 35, 7: 18, 8: 7, 9: 7, 10: 29, 11: 14, 12: 9, 13: 13, 14: 9, 16: 16}
# Met because there is nothing of the kind, or by what a tool checks of the whole tree
WITHOUT_A_TEST = {"1.2.9", "1.3.2", "2.2.2", "6.2.10", "6.4.2", "11.2.1", "13.2.5", "15.1.2", "15.2.1"}


def number(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split("."))


def test_every_row_has_one_of_the_statuses_and_says_how_or_why() -> None:
    assert len(ROWS) > 120
    assert {status for *_, status, _ in ROWS} <= STATUSES
    assert [row[0] for row in ROWS if row[3] in {"met", "exception"} and not row[4].strip()] == []


def test_the_rows_are_in_order_and_each_requirement_is_there_once() -> None:
    numbers = [number(row[0]) for row in ROWS]
    assert numbers == sorted(set(numbers))
    assert {row[0] for row in ROWS} & left_out() == set()


def test_no_requirement_of_a_chapter_is_passed_over() -> None:
    there = Counter(number(text)[0] for text in {row[0] for row in ROWS} | left_out())
    assert {chapter: there[chapter] for chapter in SIZES} == SIZES


def test_what_is_met_names_its_test_or_its_page() -> None:
    shown = re.compile(r"`tests/|\]\(").search
    assert {row[0] for row in ROWS if row[3] == "met" and shown(row[4]) is None} == WITHOUT_A_TEST


def left_out() -> set[str]:
    """The requirements under the last heading; `10.4.1 to 10.4.4` are four."""
    found = set(re.findall(r"\d+\.\d+\.\d+", NOT_APPLICABLE))
    for section, first, last in re.findall(r"(\d+\.\d+)\.(\d+) to \d+\.\d+\.(\d+)", NOT_APPLICABLE):
        found |= {f"{section}.{each}" for each in range(int(first), int(last) + 1)}
    return found
