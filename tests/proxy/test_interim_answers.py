"""1xx answers of the upstream stay here: the final one is the answer."""

import pytest
from harness.relay.client import request
from harness.relay.lane import Lane
from harness.relay.upstream import OK

HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\nX-Secret: 1\r\n\r\n"


@pytest.mark.parametrize(
    "interim", [b"HTTP/1.1 100 Continue\r\n\r\n", HINTS, b"HTTP/1.1 102 Processing\r\n\r\n"]
)
def test_they_are_dropped(lane: Lane, interim: bytes) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(interim * 3 + OK)
    got = client.answer()
    assert (got.status, got.interim, got.body) == (200, (), b"[]")
    assert not {b"link", b"x-secret"} & got.head.names
    client.send(request("GET", "/rest/items"))
    upstream.request()
    upstream.send(OK)
    assert client.answer().status == 200


def test_they_may_come_long_before_the_final_one(lane: Lane) -> None:
    client, upstream = lane.relaying(request("HEAD", "/rest/items"))
    upstream.request()
    upstream.send(HINTS)
    assert client.is_quiet
    upstream.send(HINTS + OK[:-2])
    assert client.answer("HEAD").status == 200


@pytest.mark.parametrize("at_once", [True, False])
def test_a_flood_of_them_is_502(lane: Lane, at_once: bool) -> None:  # noqa: FBT001
    client, upstream = lane.relaying()
    upstream.request()
    try:
        if at_once:
            upstream.send(HINTS * 2000 + OK)
        else:
            for _ in range(2000):
                upstream.send(HINTS)
    except OSError:
        pass
    assert client.answer().status == 502
    upstream.wait_end()
