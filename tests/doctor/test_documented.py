"""docs/doctor.md says of every rule what the code says, in the order of the codes."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import app as cli
from app.diagnostics.doctor import RULES, Rule
from app.settings import Settings, variable

COMMANDS = re.compile(r"`(postgate [^`]*)`").findall
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


@pytest.mark.parametrize("command", sorted({c for r in RULES.values() for c in COMMANDS(r.fix)}))
def test_a_command_that_is_proposed_exists(command: str) -> None:
    verbs = [word for word in command.split() if not word.startswith("-")]
    options = [word for word in command.split() if word.startswith("-")]
    shown = CliRunner().invoke(cli, [*verbs[1:], "--help"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    assert all(option in shown.output for option in options)
