"""docs/doctor.md says of every rule what the code says, in the order of the codes."""

import re
from pathlib import Path

import pytest

from app.doctor import RULES, Rule
from app.settings import Settings, variable

PAGE = (Path(__file__).parents[2] / "docs/doctor.md").read_text(encoding="utf-8")
ROWS = [
    tuple(cell.strip() for cell in row.strip().strip("|").split(" | "))
    for row in PAGE.splitlines()
    if row.startswith("| `PD")
]


def written(rule: Rule) -> tuple[str, ...]:
    return (f"`{rule.code}`", rule.severity.value, rule.what, rule.why, rule.fix)


def test_the_page_lists_exactly_the_rules_of_the_code_in_their_order() -> None:
    assert [row[0] for row in ROWS] == [f"`{code}`" for code in RULES]
    assert [written(rule) for rule in RULES.values()] == ROWS


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: str(rule.code))
def test_a_rule_is_said_in_sentences(rule: Rule) -> None:
    assert re.fullmatch(r"PD\d{3}", rule.code)
    for prose in (rule.what, rule.why, rule.fix):
        assert re.fullmatch(r"[A-Z].*\.", prose), prose
        assert "|" not in prose


def test_no_rule_and_no_setting_is_spoken_of_that_does_not_exist() -> None:
    assert set(re.findall(r"PD\d{3}", PAGE)) == set(RULES)
    assert set(re.findall(r"POSTGATE_[A-Z_]+", PAGE)) <= {variable(field) for field in Settings.model_fields}
