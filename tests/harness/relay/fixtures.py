"""What several folders take into their conftest.py: an upstream, and lanes to one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

import pytest

from app.proxy import clock
from app.tracing import Tracing
from harness.relay.gateway import RunningGateway, running_gateway, settings_for
from harness.relay.lane import Lane
from harness.relay.upstream import Upstream

TICK_SECONDS = 0.02

LaneWith = Callable[..., Lane]


@pytest.fixture(scope="session", autouse=True)
def fast_clock() -> Iterator[None]:
    """Deadlines are seen to every 20 ms, so that short ones end short tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "TICK_SECONDS", TICK_SECONDS)
        yield


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """An upstream that a test talks for, behind a gateway that it starts."""
    with closing(Upstream()) as upstream:
        yield upstream


@contextmanager
def shared_lane(gateway: RunningGateway, upstream: Upstream) -> Iterator[Lane]:
    """A lane through a gateway that others use too; nothing may be left open when the test is over."""
    gateway.events.clear()
    lane = Lane(gateway, upstream)
    yield lane
    lane.finish()
    upstream.forget()


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
