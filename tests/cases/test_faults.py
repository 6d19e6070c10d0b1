"""Every case that is a fault: injected for real."""

import pytest
from proxy.conftest import LaneWith
from proxy.harness.lane import Lane

from cases import (
    faults_answers,
    faults_client,
    faults_database,
    faults_functions,
    faults_gateway,
    faults_limits,
    faults_login,
    faults_logout,
    faults_names,
    faults_outages,
    faults_process,
    faults_rotation,
    faults_sessions,
    faults_settings,
)
from cases.cases import faults, load
from cases.elsewhere import ELSEWHERE, is_there
from cases.stage import FAULTS, Stage

# imported for their faults
REGISTERED = (
    faults_answers,
    faults_client,
    faults_database,
    faults_functions,
    faults_gateway,
    faults_limits,
    faults_login,
    faults_logout,
    faults_names,
    faults_outages,
    faults_process,
    faults_rotation,
    faults_sessions,
    faults_settings,
)


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
