"""docs/operations.md says what the code does: of each metric, each line of the log, each reloaded setting."""

import json
import logging
import re
from collections import Counter
from inspect import get_annotations
from pathlib import Path
from typing import Any, get_args

import pytest
from core.written import Written

from app.events import Event, RequestRelayed
from app.logs.lines import line_of
from app.logs.log import _as_text
from app.metrics import FAMILIES
from app.settings import RELOADABLE, Settings, variable
from architecture import promql

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "operations.md").read_text(encoding="utf-8")
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")
SETTINGS = {variable(field) for field in Settings.model_fields}

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RELAYED = RequestRelayed(b"i", "rest", b"GET", 200, None, None, 1, 0.1, path=b"/", trace=TRACE)
OF_THE_LOG: dict[str, set[str]] = {
    "lines_suppressed": {"of", "lines"},
    "message": {"logger", "message", "errors", "frames"},
}


def section(heading: str, page: str = PAGE) -> str:
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", page, re.MULTILINE | re.DOTALL)
    return str(found)


def table(heading: str) -> list[list[str]]:
    rows = [line for line in section(heading).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


LINES = {quoted(row[0])[0]: row for row in table("Logs")}
ALERTS = table("What to alert on")


VALUES: dict[Any, Any] = {
    bytes: b"x", str: "x", str | None: "x", int: 1, int | None: 1, float: 0.1, float | None: 0.1, bool: False,
    tuple[str, ...]: ("x",), BaseException: ValueError(), RequestRelayed | None: RELAYED,
}  # fmt: skip


def sample(kind: type, status: int = 200) -> Any:
    """An event of which every field has something to say."""
    if kind is RequestRelayed:
        return RELAYED
    given = {"trace": TRACE, "parent": TRACE, "status": status}
    fields = get_annotations(kind)
    return kind(**{name: given.get(name, VALUES[told]) for name, told in fields.items()})


def told_of(event: Any) -> tuple[str, str, set[str]] | None:
    line = line_of(event)
    return line and (line[0], logging.getLevelName(line[1]).lower(), set(line[2]))


def fields_of(row: list[str]) -> set[str]:
    """Those that the page names; a line's name among them stands for its fields."""
    named = quoted(row[4])
    others = [fields_of(LINES[name]) for name in named if name in LINES and name != "message"]
    return {name for name in named if name not in LINES or name == "message"}.union(*others)


def test_every_line_of_the_log_is_on_the_page_with_its_fields() -> None:
    expected = dict(OF_THE_LOG)
    for kind in get_args(Event):
        told = told_of(sample(kind))
        if told is not None:
            expected[told[0]] = told[2]
    assert {name: fields_of(row) for name, row in LINES.items()} == expected


def test_every_line_of_the_log_has_its_level_on_the_page() -> None:
    seen: dict[str, set[str]] = {"lines_suppressed": {"warning"}, "message": set()}
    for kind in get_args(Event):
        for status in (200, 500):
            told = told_of(sample(kind, status=status))
            if told is not None:
                seen.setdefault(told[0], set()).add(told[1])
    assert {name: set(re.findall("info|warning|error", row[1])) for name, row in LINES.items()} == seen


def test_the_page_says_which_lines_are_bounded() -> None:
    written = Written(lines_per_second=3)
    for kind in get_args(Event):
        written.tell(*[sample(kind, status=401)] * 10)
    counts = Counter(line["event"] for line in written.objects)
    assert set(counts.values()) == {3, 10}
    bounded = {name for name, count in counts.items() if count == 3}
    assert {name for name, row in LINES.items() if row[2]} == bounded


def test_the_two_examples_are_one_line_as_it_is_written() -> None:
    (as_json,) = re.findall(r"^```json\n(.*)\n```$", PAGE, re.MULTILINE)
    (as_text,) = re.findall(r"^```text\n(.*)\n```$", PAGE, re.MULTILINE)
    assert _as_text(json.loads(as_json)) == as_text
    assert list(json.loads(as_json)) == list(json.loads(Written().tell(RELAYED).text))
    assert json.dumps(json.loads(as_json), separators=(",", ":")) == as_json


def test_every_metric_is_on_the_page_in_order_with_its_type_and_labels() -> None:
    told = [(quoted(name)[0], kind, tuple(quoted(labels))) for name, kind, labels, _ in table("Metrics")]
    assert told == [(family.name, family.kind, family.labels) for family in FAMILIES]


def test_the_page_names_the_values_that_labels_are_known_to_have() -> None:
    meanings = {quoted(row[0])[0]: row[3] for row in table("Metrics")}
    for family in FAMILIES:
        for value in filter(None, (values[0] if values else "" for values in family.known)):
            assert value in quoted(meanings[family.name]), family.name


def test_a_metric_of_which_not_the_sum_is_told_says_so() -> None:
    meanings = {quoted(row[0])[0]: row[3] for row in table("Metrics")}
    for family in FAMILIES:
        if family.together != "sum" and family.key != "build_info":
            assert re.search("largest|every worker|any worker|oldest", meanings[family.name]), family.name


@pytest.mark.parametrize("alert", ALERTS, ids=lambda row: str(row[2])[:40])
def test_an_alert_speaks_of_metrics_that_there_are(alert: list[str]) -> None:
    expression, lasting, reason = quoted(alert[0])[0], alert[1], alert[2]
    promql.check(expression)
    assert promql.selectors(expression) or expression.startswith("up{")
    assert re.fullmatch(r"\d+m", lasting)
    assert re.fullmatch(r"[A-Z].*\.", reason)
    assert re.search(r" (>|==) [\d.]+$", expression)


def test_the_page_lists_exactly_the_settings_that_are_reloaded() -> None:
    (paragraph,) = re.findall(
        r"^Reloaded:\n(.*?)\n\n", section("Reloading settings"), re.MULTILINE | re.DOTALL
    )
    but = set(re.findall(r"but `(\w+)`", paragraph))
    told = set(quoted(paragraph)) - but
    for anchor in re.findall(r"configuration\.md#([a-z-]+)", paragraph):
        rows = section(anchor.replace("-", " ").capitalize().replace("postgrest", "PostgREST"), CONFIGURATION)
        told |= set(re.findall(r"^\| `(POSTGATE_\w+)`", rows, re.MULTILINE)) - but
    assert told == {variable(field) for field in RELOADABLE}


def test_no_setting_is_spoken_of_that_does_not_exist() -> None:
    assert set(re.findall(r"POSTGATE_[A-Z0-9_]+", PAGE)) <= SETTINGS


def test_every_link_leads_to_a_page_and_a_heading() -> None:
    for page, anchor in re.findall(r"\]\(([a-z-]+\.(?:md|json))(?:#([a-z-]+))?\)", PAGE):
        text = (DOCS / page).read_text(encoding="utf-8")
        headings = {re.sub(r"[^a-z -]", "", line.lower()).replace(" ", "-")
                    for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}  # fmt: skip
        assert not anchor or anchor in headings, (page, anchor)
