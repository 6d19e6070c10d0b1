"""However the bytes of both sides are cut and delayed, everybody gets what they get uncut.

A conversation (requests of one client, answers of the upstream) is played once in one piece, then with its
bytes cut at random places and the pieces of both sides interleaved at random.
"""

import select
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from proxy.harness.answers import AnswerCut
from proxy.harness.client import CHUNKED, Client, chunked, request
from proxy.harness.deadlines import PATIENCE_SECONDS, NeverCame
from proxy.harness.gateway import RunningGateway
from proxy.harness.lane import Lane
from proxy.harness.requests import NotStrict
from proxy.harness.upstream import OK, Upstream, UpstreamEnd, answer

REQUESTS = {
    "get": ("GET", request("GET", "/rest/items?a=1")),
    "head": ("HEAD", request("HEAD", "/rest/items")),
    "sized": ("POST", request("POST", "/rest/items", body=b"{\"a\":1}\r\n\r\nGET / HTTP/1.1\r\n")),
    "chunked": ("POST", request("POST", "/rest/items", [CHUNKED]) + chunked(b"one", b"\r\n0\r\n\r\n", b"x" * 40)),
    "trailers": ("POST", request("POST", "/rest/items", [CHUNKED]) + b"1;e=1\r\nx\r\n0\r\nX-T: 1\r\n\r\n"),
    "refused": ("GET", request("GET", "/rest/items", token=None)),
    "refused body": ("POST", request("POST", "/rest/items", token=None, body=b"y" * 30)),
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
NOT_RELAYED = {"refused", "refused body", "unsafe path"}
Seen = list[tuple[int, bytes]]


@dataclass
class Conversation:
    """What is said: requests by name, and an answer for each that is relayed."""

    requests: list[str]
    answers: list[str]


conversations = st.builds(
    Conversation,
    st.lists(st.sampled_from(sorted(REQUESTS)), min_size=1, max_size=4),
    st.lists(st.sampled_from(sorted(ANSWERS)), min_size=4, max_size=4),
)


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """The data in pieces of the sizes in `cuts`, over and over; whole when there are none."""
    start, turn = 0, 0
    while start < len(data):
        size = cuts[turn % len(cuts)] if cuts else len(data)
        yield data[start : start + size]
        start, turn = start + size, turn + 1


class Play:
    """One conversation through the gateway, in one thread: whoever can go on takes its next step."""

    def __init__(self, lane: Lane, said: Conversation, cuts: list[int]) -> None:
        self.lane = lane
        self.cuts = cuts
        self.client: Client = lane.client()
        self.methods = [REQUESTS[name][0] for name in said.requests]
        self.outgoing = pieces(b"".join(REQUESTS[name][1] for name in said.requests), cuts)
        relayed = [name for name in said.requests if name not in NOT_RELAYED]
        heads = {name: REQUESTS[name][0] == "HEAD" for name in relayed}
        self.answers = [
            _for_head(ANSWERS[key]) if heads[name] else ANSWERS[key]
            for name, key in zip(relayed, said.answers, strict=False)
        ]
        self.received: Seen = []
        self.relayed: list[tuple[bytes, bytes, bytes]] = []

    def run(self) -> None:
        """Send a piece, let the upstream do what it can, and so on to the end."""
        for piece in self.outgoing:
            self.client.send(piece)
            self._serve(0)
        while len(self.relayed) < len(self.answers):
            self._serve(PATIENCE_SECONDS)
        for method in self.methods:
            got = self.client.answer(method)
            self.received.append((got.status, got.body))
        assert self.client.is_quiet

    def _serve(self, seconds: float) -> None:
        """Answer one request, if a whole one comes within this time."""
        end = self._end_with_something(seconds)
        if end is None:
            return
        got = end.request()
        self.relayed.append((got.head.method, got.head.target, got.body))
        for piece in pieces(self.answers[len(self.relayed) - 1], self.cuts[::-1]):
            end.send(piece)

    def _end_with_something(self, seconds: float) -> UpstreamEnd | None:
        raise NotImplementedError
