"""The proxy lane between a client and an upstream that the test holds in its own hands."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from harness.relay.fixtures import fast_clock, lane_with, shared_lane, upstream
from harness.relay.gateway import RunningGateway, running_gateway, settings_for
from harness.relay.lane import Lane
from harness.relay.upstream import Upstream

__all__ = ["fast_clock", "lane_with", "upstream"]


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    with closing(Upstream()) as upstream:
        yield upstream


@pytest.fixture(scope="session")
def shared_gateway(shared_upstream: Upstream) -> Iterator[RunningGateway]:
    """The gateway as it is set by default, for all tests that change no setting."""
    with running_gateway(settings_for(shared_upstream.url)) as gateway:
        yield gateway


@pytest.fixture
def lane(shared_gateway: RunningGateway, shared_upstream: Upstream) -> Iterator[Lane]:
    """The proxy lane with default settings."""
    with shared_lane(shared_gateway, shared_upstream) as lane:
        yield lane
