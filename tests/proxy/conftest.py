"""The proxy lane between a client and an upstream that the test holds in its own hands."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from app.proxy import clock
from app.tracing import Tracing
from proxy.harness.gateway import RunningGateway, running_gateway, settings_for
from proxy.harness.lane import Lane
from proxy.harness.upstream import Upstream

TICK_SECONDS = 0.02

LaneWith = Callable[..., Lane]


@pytest.fixture(scope="session", autouse=True)
def _fast_clock() -> Iterator[None]:
    """Deadlines are seen to every 20 ms, so that short ones end short tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "TICK_SECONDS", TICK_SECONDS)
        yield


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream that a test talks for, behind a gateway that it starts."""
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    upstream = Upstream()
    yield upstream
    upstream.close()


@pytest.fixture(scope="session")
def shared_gateway(shared_upstream: Upstream) -> Iterator[RunningGateway]:
    """The gateway as it is set by default, for all tests that change no setting."""
    with running_gateway(settings_for(shared_upstream.url)) as gateway:
        yield gateway


@pytest.fixture
def lane(shared_gateway: RunningGateway, shared_upstream: Upstream) -> Iterator[Lane]:
    """The proxy lane with default settings; nothing may be left open when the test is over."""
    shared_gateway.events.clear()
    lane = Lane(shared_gateway, shared_upstream)
    yield lane
    lane.finish()
    shared_upstream.forget()


@pytest.fixture
def lane_with() -> Iterator[LaneWith]:
    """Make a lane with settings of one's own: `lane_with(body_bytes=1000)`."""
    with ExitStack() as stack:

        def make(
            *, upstream: Upstream | None = None, tracing: Tracing | None = None, **settings: Any
        ) -> Lane:
            upstream = upstream or Upstream()
            stack.callback(upstream.close)
            running = running_gateway(settings_for(upstream.url, **settings), tracing=tracing)
            gateway = stack.enter_context(running)
            lane = Lane(gateway, upstream)
            stack.callback(lane.finish)
            return lane

        yield make
