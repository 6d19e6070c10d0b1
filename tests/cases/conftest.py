"""A gateway and a recording upstream for the cases, and a count of what was played."""

from collections import Counter
from collections.abc import Iterator

import pytest
from _pytest.terminal import TerminalReporter
from proxy.conftest import LaneWith, _fast_clock, lane_with
from proxy.harness.gateway import RunningGateway, running_gateway, settings_for
from proxy.harness.lane import Lane
from proxy.harness.upstream import Upstream

from cases.elsewhere import ELSEWHERE

__all__ = ["LaneWith", "_fast_clock", "lane_with"]

ALLOWED_ORIGIN = "https://gw.test"
_SUITE = "tests/cases/"


@pytest.fixture(scope="session")
def case_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def case_gateway(case_upstream: Upstream) -> Iterator[RunningGateway]:
    with running_gateway(settings_for(case_upstream.url, trusted_origins=ALLOWED_ORIGIN)) as gateway:
        yield gateway


@pytest.fixture
def lane(case_gateway: RunningGateway, case_upstream: Upstream) -> Iterator[Lane]:
    case_gateway.events.clear()
    lane = Lane(case_gateway, case_upstream)
    yield lane
    lane.finish()
    case_upstream.forget()


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
