"""A gateway and a recording upstream for the cases, and a count of what was played."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing

import pytest
from _pytest.terminal import TerminalReporter
from harness.relay.fixtures import fast_clock, lane_with, shared_lane
from harness.relay.gateway import RunningGateway, running_gateway, settings_for
from harness.relay.lane import Lane
from harness.relay.upstream import Upstream

from cases.elsewhere import ELSEWHERE

__all__ = ["fast_clock", "lane_with"]

ALLOWED_ORIGIN = "https://gw.test"
_SUITE = "tests/cases/"


@pytest.fixture(scope="session")
def case_upstream() -> Iterator[Upstream]:
    with closing(Upstream()) as upstream:
        yield upstream


@pytest.fixture(scope="session")
def case_gateway(case_upstream: Upstream) -> Iterator[RunningGateway]:
    with running_gateway(settings_for(case_upstream.url, trusted_origins=ALLOWED_ORIGIN)) as gateway:
        yield gateway


@pytest.fixture
def lane(case_gateway: RunningGateway, case_upstream: Upstream) -> Iterator[Lane]:
    with shared_lane(case_gateway, case_upstream) as lane:
        yield lane


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Say how many cases of each group were played, and how many are shown elsewhere."""
    played = {
        report.nodeid.partition("[")[2].partition("]")[0].partition("-")[0]
        for outcome in ("passed", "failed")
        for report in terminalreporter.stats.get(outcome, ())
        if _SUITE in report.nodeid and "[" in report.nodeid
    }
    groups = Counter(case[0] for case in played)
    elsewhere = Counter(case[0] for case in ELSEWHERE)
    if groups:
        terminalreporter.write_line(
            "cases played: "
            + ", ".join(
                f"{group} {groups[group]}" + (f" (+{elsewhere[group]} elsewhere)" if elsewhere[group] else "")
                for group in sorted(groups)
            )
        )
