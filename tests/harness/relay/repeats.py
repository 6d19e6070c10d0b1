"""A connection that sends the same headers again."""

from harness.relay.client import Client, request
from harness.relay.lane import Lane
from harness.relay.upstream import OK, UpstreamEnd

FIELDS = ["Accept: application/json", "Prefer: count=exact", "Cookie: a=1", "Origin: http://gw.test"]
FIRST = request("GET", "/rest/items?a=1", FIELDS)


def reply(end: UpstreamEnd) -> None:
    while (got := end.next_request()) is not None:
        end.send(OK[:-2] if got.head.method == b"HEAD" else OK)


WARM = 3  # a head is kept when it comes the second time


def warmed(lane: Lane, first: bytes = FIRST, times: int = WARM) -> Client:
    """A client whose head the gateway knows by now."""
    client = lane.client()
    for _ in range(times):
        client.send(first)
        assert client.answer().status == 200
    return client


def with_line(line: str) -> bytes:
    """The same headers behind another request line."""
    return line.encode("latin-1") + FIRST[FIRST.index(b"\r\n") :]
