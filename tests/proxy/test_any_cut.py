"""However the bytes of both sides are cut and delayed, everybody gets what they get uncut.

A conversation (a pipeline of one client, the answers of the upstream) is played once in one piece, then with
the bytes of both sides cut at random and each piece held back until the gateway has read the one before.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from harness.relay.client import CHUNKED, chunked, request
from harness.relay.gateway import RunningGateway
from harness.relay.lane import Lane
from harness.relay.upstream import OK, UpstreamEnd, answer
from harness.relay.wire import Wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

REQUESTS = {
    "get": ("GET", request("GET", "/rest/items?a=1")),
    "head": ("HEAD", request("HEAD", "/rest/items")),
    "sized": ("POST", request("POST", "/rest/items", body=b'{"a":1}\r\n\r\nGET / HTTP/1.1\r\n')),
    "chunked": (
        "POST",
        request("POST", "/rest/items", [CHUNKED]) + chunked(b"one", b"\r\n0\r\n\r\n", b"x" * 40),
    ),
    "trailers": ("POST", request("POST", "/rest/items", [CHUNKED]) + b"1;e=1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"),
    "refused": ("GET", request("GET", "/rest/items", token=None)),
    "unsafe path": ("GET", request("GET", "/rest/../x")),
}
ANSWERS = {
    "sized": answer(b"[1,2]", fields=("X-A: 1", "X-A: 2")),
    "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(b"abc", b"\r\n\r\n"),
    "empty": b"HTTP/1.1 204 No Content\r\n\r\n",
    "hinted": b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK,
    "error": answer(b'{"code":"42P01"}', status="404 Not Found"),
    "closing": answer(b"last", fields=("Connection: close",)),
}
NOT_RELAYED = {
    "refused",
    "unsafe path",
}  # without bodies: whether one costs the connection depends on the cut


@dataclass(frozen=True)
class Cut:
    """Sizes of pieces, over and over, and how many turns of the gateway's loop each piece waits."""

    sizes: tuple[int, ...] = ()
    turns: tuple[int, ...] = (0,)

    def pieces(self, data: bytes) -> Iterator[tuple[bytes, int]]:
        start = number = 0
        while start < len(data):
            size = self.sizes[number % len(self.sizes)] if self.sizes else len(data)
            yield data[start : start + size], self.turns[number % len(self.turns)]
            start, number = start + size, number + 1

    def send(self, wire: Wire, data: bytes, gateway: RunningGateway) -> None:
        for piece, turns in self.pieces(data):
            wire.send(piece)
            gateway.take_turns(turns)


UNCUT = Cut()
cuts = st.builds(
    Cut,
    st.lists(st.integers(1, 9) | st.integers(1, 120), min_size=1, max_size=8).map(tuple),
    st.lists(st.integers(0, 3), min_size=1, max_size=4).map(tuple),
)
# Requests by their names, and an answer for each.
conversations = st.lists(
    st.tuples(st.sampled_from(sorted(REQUESTS)), st.sampled_from(sorted(ANSWERS))), min_size=1, max_size=4
)


@dataclass(frozen=True)
class Heard:
    """What each side was told in the end."""

    answers: list[tuple[int, bytes, bool]]
    requests: list[tuple[bytes, bytes, bytes]]


def play(lane: Lane, said: list[tuple[str, str]], client_cut: Cut, upstream_cut: Cut) -> Heard:
    relayed = [(REQUESTS[name][0], ANSWERS[key]) for name, key in said if name not in NOT_RELAYED]
    replies = iter([_without_body(data) if method == "HEAD" else data for method, data in relayed])
    requests: list[tuple[bytes, bytes, bytes]] = []

    def script(end: UpstreamEnd) -> None:
        while (got := end.next_request()) is not None:
            requests.append((got.head.method, got.head.target, got.body))
            reply = next(replies)
            upstream_cut.send(end, reply, lane.gateway)
            if b"Connection: close" in reply:
                return

    client = lane.client()
    with lane.upstream.serving(script):
        client_cut.send(client, b"".join(REQUESTS[name][1] for name, _ in said), lane.gateway)
        answers = [client.answer(REQUESTS[name][0]) for name, _ in said]
        assert client.is_quiet
    lane.finish()
    return Heard([(got.status, got.body, got.head.closes) for got in answers], requests)


def _without_body(data: bytes) -> bytes:
    head, end, _ = data.rpartition(b"\r\n\r\n") if b"chunked" not in data else data.partition(b"\r\n\r\n")
    return head + end


@given(said=conversations, client_cut=cuts, upstream_cut=cuts)
@settings(
    max_examples=120,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_cuts_change_nothing(
    lane: Lane, said: list[tuple[str, str]], client_cut: Cut, upstream_cut: Cut
) -> None:
    assert play(lane, said, client_cut, upstream_cut) == play(lane, said, UNCUT, UNCUT)


def test_every_byte_by_itself_changes_nothing(lane: Lane) -> None:
    by_byte = Cut((1,), (1,))
    said = [(name, key) for name in REQUESTS for key in ("sized", "chunked")]
    uncut = play(lane, said, UNCUT, UNCUT)
    assert [status for status, _, _ in uncut.answers] == [200] * 10 + [401] * 2 + [400] * 2
    assert play(lane, said, by_byte, by_byte) == uncut
