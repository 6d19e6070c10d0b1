"""A request that met a dead connection is repeated on a new one, also when others give old ones back."""

from harness.relay.client import request
from harness.relay.fixtures import LaneWith
from harness.relay.upstream import OK, Upstream


def test_a_request_is_not_repeated_on_a_connection_that_may_be_dead_too(lane_with: LaneWith) -> None:
    lane = lane_with(upstream=Upstream(backlog=0), upstream_connect_seconds=5)
    first, one = lane.relaying(request("GET", "/rest/first"))
    one.request()
    second, other = lane.relaying(request("GET", "/rest/second"))
    other.request()
    one.send(OK)
    assert first.answer().status == 200
    crowd = [lane.upstream.dial()]  # no new connection comes through until these are accepted

    first.send(request("GET", "/rest/again"))
    assert one.request().head.target == b"/again"
    one.close()  # without a byte: it had been idle, and the gateway asks anew
    lane.gateway.take_turns(20)
    other.send(OK)
    assert second.answer().status == 200  # its connection is free now, and as old as the one that died
    lane.gateway.take_turns(20)
    other.close()
    lane.gateway.take_turns(20)
    assert first.is_quiet

    for caller in crowd:
        lane.upstream.accept()
        caller.close()
    fresh = lane.upstream.accept()
    assert fresh.request().head.target == b"/again"
    fresh.send(OK)
    assert first.answer().status == 200
