"""Every case that is a request: sent as it stands, judged first by what the upstream received."""

import json
import socket
from contextlib import suppress

import pytest
from harness.relay.answers import Answer
from harness.relay.client import Client
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.requests import ReceivedRequest
from harness.relay.tokens import mint

from app.events import InternalFailure
from cases.cases import Case, expand, requests
from cases.conftest import ALLOWED_ORIGIN

CASES = list(requests())
OUR_COOKIES = {prefix + name for prefix in (b"", b"__Host-") for name in (b"access_token", b"refresh_token")}
GOOD = mint(aud="api")  # passes under the settings of every case


class Played:
    """What one request led to, on both sides."""

    def __init__(self, case: Case, lane: Lane, *, warm: bool) -> None:
        self.case = case
        self.lane = lane
        self.warm = warm  # the connection has served a good request before
        self.token = case.made_token

    def run(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as elsewhere, self.lane.upstream.serving():
            elsewhere.setblocking(False)  # noqa: FBT003
            data = self.expand(self.case.request, OTHER_PORT=str(elsewhere.getsockname()[1]))
            client = self.lane.client()
            if self.warm:
                assert self.ask(client, "/rest/before").status == 200
            before = self.seen_upstream()
            push(client, data.encode("latin-1"))
            answer = client.answer("HEAD" if data.startswith("HEAD ") else "GET")
            self.check_upstream(before)
            self.check_answer(answer)
            self.check_ending(client, answer)
            with pytest.raises(BlockingIOError):
                elsewhere.accept()
            self.check_nothing_is_left_behind()
        assert not self.lane.gateway.events_of(InternalFailure)

    def ask(self, client: Client, target: str) -> Answer:
        """A good request, with a credential that every gateway of a case admits."""
        if self.case.settings.get("cookie_prefix") == "host":
            return client.ask("GET", target, [f"Authorization: Bearer {GOOD}"], token=None)
        return client.ask("GET", target, token=GOOD)

    def expand(self, text: str, **values: str) -> str:
        upstream = f"127.0.0.1:{self.lane.upstream.port}"
        return expand(text, JWT=self.token, UPSTREAM=upstream, **values)

    def seen_upstream(self) -> bytes:
        return b"".join(bytes(end.received) for end in self.lane.upstream.ends)

    def check_upstream(self, before: bytes) -> None:
        verdict, received = self.case.verdict, self.lane.upstream.requests[int(self.warm) :]
        assert len(received) == verdict.relayed or len(verdict.status) > 1
        if verdict.untouched:
            assert self.seen_upstream() == before
        for each in received:
            check_relayed(each)
        if verdict.relayed:
            self.check_fields(received[0])

    def check_fields(self, received: ReceivedRequest) -> None:
        verdict, head = self.case.verdict, received.head
        if verdict.target:
            assert head.target == verdict.target.encode()
        for name, value in verdict.fields.items():
            assert head.value(name.encode()) == self.expand(value).encode("latin-1")
        assert not {name.encode() for name in verdict.absent} & head.names
        if verdict.body is not None:
            assert received.body == verdict.body.encode()

    def check_answer(self, answer: Answer) -> None:
        verdict = self.case.verdict
        assert answer.status in verdict.status
        if answer.status >= 400 and answer.body:
            assert json.loads(answer.body).keys() == {"code", "message", "details", "hint"}
        for name, value in verdict.says.items():
            said = b", ".join(answer.head.values(name.encode())) if name else answer.body
            assert any(part.encode() in said for part in value.split("|")), (name, said)
        everything = answer.head.raw + answer.body
        for text in (*verdict.silent, "Traceback", "httptools", "/app/"):
            assert self.expand(text).encode("latin-1").lower() not in everything.lower()

    def check_ending(self, client: Client, answer: Answer) -> None:
        """Exactly one answer, and either the end or a connection that still works."""
        if self.case.verdict.closes:
            client.half_close()
            client.wait_end()
            assert client.unread == b""
        elif not answer.head.closes:
            assert client.is_quiet
            assert self.ask(client, "/rest/afterwards").status == 200

    def check_nothing_is_left_behind(self) -> None:
        """The next client's request reaches the upstream as it was sent, and gets its own answer."""
        before = len(self.lane.upstream.requests)
        assert self.ask(self.lane.client(), "/rest/next").status == 200
        assert [each.head.target for each in self.lane.upstream.requests[before:]] == [b"/next"]
        assert b"smuggled" not in b"".join(bytes(end.received) for end in self.lane.upstream.ends)


def check_relayed(received: ReceivedRequest) -> None:
    """What holds for every request that is relayed: the strict reader has checked its framing."""
    names = [name for name, _ in received.head.fields]
    assert names.count(b"authorization") <= 1
    assert not any(b"_" in name for name in names)
    crumbs = b";".join(received.head.values(b"cookie")).split(b";")
    assert not {crumb.partition(b"=")[0].strip(b" \t") for crumb in crumbs} & OUR_COOKIES
    assert not {b"connection", b"upgrade", b"te", b"expect"} & set(names)


def push(client: Client, data: bytes) -> None:
    """Send what may be refused before all of it has come."""
    with suppress(BrokenPipeError, ConnectionResetError):
        client.send(data)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_request(case: Case, lane: Lane, lane_with: LaneWith) -> None:
    if case.settings:
        lane = lane_with(trusted_origins=ALLOWED_ORIGIN, **case.settings)
    for warm in (False, True):
        Played(case, lane, warm=warm).run()
        lane.finish()
        lane.upstream.forget()
