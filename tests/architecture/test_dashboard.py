"""docs/grafana-dashboard.json can be imported, shows every metric, and asks for nothing that is not there."""

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from app.metrics import FAMILIES
from architecture import promql

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs/grafana-dashboard.json").read_text(encoding="utf-8")
)
ALL = DASHBOARD["panels"]
PANELS = [panel for panel in ALL if panel["type"] != "row"]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
UNITS = {"reqps", "ops", "s", "percentunit", "short", "bytes"}
COLUMNS = 24
each_panel = pytest.mark.parametrize("panel", PANELS, ids=lambda panel: str(panel["title"]))


def expressions(panel: dict[str, Any]) -> list[str]:
    return [str(target["expr"]) for target in panel["targets"]]


def cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    place = panel["gridPos"]
    rows, columns = range(place["y"], place["y"] + place["h"]), range(place["x"], place["x"] + place["w"])
    return {(row, column) for row in rows for column in columns}


def test_it_belongs_to_no_installation() -> None:
    assert DASHBOARD["id"] is None
    assert DASHBOARD["schemaVersion"] >= 39
    variables = {each["name"]: each for each in DASHBOARD["templating"]["list"]}
    assert list(variables) == ["datasource", "instance"]
    assert (variables["datasource"]["type"], variables["datasource"]["query"]) == ("datasource", "prometheus")
    assert variables["instance"]["datasource"] == SOURCE
    asked = re.fullmatch(r"label_values\((\w+), instance\)", variables["instance"]["definition"])
    assert asked is not None
    assert asked[1] in promql.BY_NAME
    assert variables["instance"]["query"]["query"] == asked[0]
    text = json.dumps(PANELS).replace("$__rate_interval", "")
    assert set(re.findall(r"\$\{?([a-z]+)\}?", text)) == set(variables)


def test_each_panel_has_an_id_and_a_place_of_its_own() -> None:
    assert len({panel["id"] for panel in ALL}) == len(ALL)
    for panel in ALL:
        place = panel["gridPos"]
        assert 0 <= place["x"] < place["x"] + place["w"] <= COLUMNS, panel["title"]
        assert place["h"] > 0
        assert place["y"] >= 0
    for one, other in combinations(ALL, 2):
        assert not cells(one) & cells(other), (one["title"], other["title"])


@each_panel
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: dict[str, Any]) -> None:
    assert re.fullmatch(r"(?s)[A-Z].*\.", panel["description"])
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS
    counts_seconds = all(
        "_seconds" in expression and "cpu" not in expression for expression in expressions(panel)
    )
    assert (panel["fieldConfig"]["defaults"]["unit"] == "s") == counts_seconds


@each_panel
def test_a_panel_asks_for_metrics_that_there_are(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == SOURCE
    references = [target["refId"] for target in panel["targets"]]
    assert len(set(references)) == len(references) > 0
    for target in panel["targets"]:
        promql.check(target["expr"])
        assert target["datasource"] == SOURCE
        for selector in promql.selectors(target["expr"]):
            assert selector.matchers["instance"] == ("=~", "$instance")


@each_panel
def test_each_line_of_a_panel_is_called_by_labels_that_are_left(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
        assert named == promql.grouped(target["expr"]) - {"le"}, target["expr"]
    if len(panel["targets"]) > 1:
        legends = [target["legendFormat"] for target in panel["targets"]]
        assert len(set(legends)) == len(legends)


def test_every_metric_is_shown() -> None:
    shown = {
        selector.family.name
        for panel in PANELS
        for expression in expressions(panel)
        for selector in promql.selectors(expression)
    }
    assert shown == {family.name for family in FAMILIES}


@pytest.mark.parametrize(
    "expression",
    [
        "sum(gateway_requests_total)",
        "sum(rate(gateway_sign_ins_total[5m])",
        "gateway_internal_errors_total > 0",
        "rate(gateway_workers[5m])",
        'rate(gateway_sign_ins_total{code="1"}[5m])',
        'rate(gateway_sign_ins_total{result="signed-in"}[5m])',
        "sum by (rout) (rate(gateway_relays_aborted_total[5m]))",
        "histogram_quantile(0.5, sum by (route) (rate(gateway_relay_duration_seconds_bucket[5m])))",
        "rate(gateway_relay_duration_seconds[5m])",
        "summ(rate(gateway_relays_aborted_total[5m]))",
        "rate(gateway_relays_aborted_total{route=rest}[5m])",
    ],
)
def test_a_wrong_expression_is_found(expression: str) -> None:
    with pytest.raises((AssertionError, KeyError)):
        promql.check(expression)
