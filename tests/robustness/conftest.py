"""A gateway with a route that is open to everybody, so that only the protocol decides what is refused."""

from collections.abc import Iterator

import pytest
from proxy.conftest import LaneWith, _fast_clock, lane_with, upstream
from proxy.harness.gateway import RunningGateway, running_gateway, settings_for
from proxy.harness.lane import Lane
from proxy.harness.upstream import Upstream

__all__ = ["LaneWith", "_fast_clock", "lane_with", "upstream"]


@pytest.fixture(scope="session")
def open_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def open_gateway(open_upstream: Upstream) -> Iterator[RunningGateway]:
    with running_gateway(
        settings_for(open_upstream.url, routes=f"/open/ {open_upstream.url} none")
    ) as gateway:
        yield gateway


@pytest.fixture
def lane(open_gateway: RunningGateway, open_upstream: Upstream) -> Iterator[Lane]:
    open_gateway.events.clear()
    lane = Lane(open_gateway, open_upstream)
    yield lane
    lane.finish()
    open_upstream.forget()
