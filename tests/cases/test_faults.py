"""Every case that is a fault: injected for real."""

from importlib import import_module
from pathlib import Path

import pytest
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane

from cases.cases import faults, load
from cases.elsewhere import ELSEWHERE, is_there
from cases.stage import FAULTS, Stage

for file in Path(__file__).parent.glob("faults_*.py"):
    import_module(f"cases.{file.stem}")  # each registers its own


@pytest.mark.parametrize("case", sorted(FAULTS))
def test_fault(
    case: str,
    lane: Lane,
    lane_with: LaneWith,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    FAULTS[case](Stage(lane, lane_with, monkeypatch, request.getfixturevalue))


def test_no_case_is_dropped_without_a_word() -> None:
    assert faults() == FAULTS.keys() | ELSEWHERE.keys()
    assert not FAULTS.keys() & ELSEWHERE.keys()


def test_what_is_shown_elsewhere_is_there() -> None:
    assert not [test for tests in ELSEWHERE.values() for test in tests if not is_there(test)]
    assert all(ELSEWHERE.values())
    assert not is_there(f"{ELSEWHERE['G29'][0]}_not")
    assert not is_there("tests/cases/test_faults.py::TestNothing::test_fault")


def test_every_case_is_written_once_and_says_what_it_wants() -> None:
    rows = list(load())
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["expect"]
        assert row["must_not"]
        assert 1 <= row["severity"] <= 3
