"""Every case that is a fault: injected for real."""

import pytest
from proxy.conftest import LaneWith
from proxy.harness.lane import Lane

from cases import faults_answers, faults_client, faults_gateway, faults_outages, faults_sessions
from cases.cases import faults, load
from cases.not_here import NOT_HERE
from cases.stage import FAULTS, Stage

# imported for their faults
REGISTERED = (faults_answers, faults_client, faults_gateway, faults_outages, faults_sessions)


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
    assert faults() == FAULTS.keys() | NOT_HERE.keys()
    assert not FAULTS.keys() & NOT_HERE.keys()


def test_every_case_is_written_once_and_says_what_it_wants() -> None:
    rows = list(load())
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert row["expect"]
        assert row["must_not"]
        assert 1 <= row["severity"] <= 3
