"""docs/errors.md says of every error what app/errors.py says, in its order, and what to do about it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import errors
from app.errors import GatewayError
from app.settings import Settings, variable

PAGE = (Path(__file__).parents[2] / "docs/errors.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip().strip("|").split("|")]
    for line in PAGE.splitlines()
    if line.startswith("| `GW")
]


def every(kind: type[GatewayError] = GatewayError) -> Iterator[type[GatewayError]]:
    for child in kind.__subclasses__():
        if child.__module__ == errors.__name__:
            yield child
            yield from every(child)


ERRORS = {error.code: error for error in every()}


def test_the_page_lists_exactly_the_errors_of_the_code_in_its_order() -> None:
    told = [(row[0], row[1], row[2]) for row in ROWS]
    assert told == [
        (f"`{error.code}`", f"{error.status} `{error.__name__}`", (error.__doc__ or "").strip())
        for error in ERRORS.values()
    ]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_a_row_says_when_it_happens_and_what_to_do(row: list[str]) -> None:
    assert len(row) == 5
    for prose in row[3:]:
        assert re.fullmatch(r"[A-Z].*\.", prose)


def test_the_page_names_the_errors_that_end_the_connection() -> None:
    (sentence,) = re.findall(r"^After these errors the connection is closed: (.*)\.$", PAGE, re.MULTILINE)
    assert re.findall(r"GW\d{3}", sentence) == [error.code for error in ERRORS.values() if error.closes]


def test_the_page_names_the_headers_that_an_error_brings() -> None:
    told = dict(re.findall(r"^- `([A-Za-z-]+)`: (.*)$", PAGE, re.MULTILINE))
    brought: dict[str, list[str]] = {"Allow": ["GW103"], "Retry-After": ["GW203"]}
    for error in ERRORS.values():
        for header, _ in error.extra_headers:
            brought.setdefault(header.decode(), []).append(error.code)
    assert {header: re.findall(r"GW\d{3}", line) for header, line in told.items()} == brought


def test_no_error_is_spoken_of_that_does_not_exist() -> None:
    assert set(re.findall(r"GW\d{3}", PAGE)) <= set(ERRORS)


def test_no_setting_is_spoken_of_that_does_not_exist() -> None:
    assert set(re.findall(r"POSTGATE_[A-Z_]+", PAGE)) <= {variable(field) for field in Settings.model_fields}


def test_the_example_is_an_answer_as_it_is_rendered() -> None:
    (example,) = re.findall(r"^```json\n(.*)\n```$", PAGE, re.MULTILINE)
    assert errors.render(errors.CredentialMissing(), b"")[2].decode() == example
