"""A gateway with a route that is open to everybody, so that only the protocol decides what is refused."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from harness.relay.fixtures import fast_clock, lane_with, shared_lane, upstream
from harness.relay.gateway import RunningGateway, running_gateway, settings_for
from harness.relay.lane import Lane
from harness.relay.upstream import Upstream

__all__ = ["fast_clock", "lane_with", "upstream"]


@pytest.fixture(scope="session")
def open_upstream() -> Iterator[Upstream]:
    with closing(Upstream()) as upstream:
        yield upstream


@pytest.fixture(scope="session")
def open_gateway(open_upstream: Upstream) -> Iterator[RunningGateway]:
    with running_gateway(
        settings_for(open_upstream.url, routes=f"/open/ {open_upstream.url} none")
    ) as gateway:
        yield gateway


@pytest.fixture
def lane(open_gateway: RunningGateway, open_upstream: Upstream) -> Iterator[Lane]:
    with shared_lane(open_gateway, open_upstream) as lane:
        yield lane
