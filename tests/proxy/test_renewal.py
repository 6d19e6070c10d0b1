"""A request that waits for its session: it goes on as if nothing had been, and brings the new cookies."""

import asyncio
import threading
from collections.abc import Callable

import pytest
from harness.relay.client import CHUNKED, Client, chunked, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.tokens import VALID
from harness.relay.upstream import OK, Upstream, answer
from harness.relay.websockets import AGREED, HANDSHAKE

from app.core.requests import Admitted, Renewed, Request
from app.errors import DatabaseUnavailable, GatewayError
from app.events import InternalFailure, RelayAborted, RequestRelayed, SessionRenewed
from app.proxy.client.states import LAST

COOKIES = (b"access_token=new; Path=/", b"refresh_token=next; Path=/")
RENEWED = Renewed(VALID.encode(), COOKIES)
SPENT = ("Cookie: refresh_token=r-1; theme=dark",)
SET = [
    b"access_token=new; Path=/; HttpOnly; SameSite=Lax",
    b"refresh_token=next; Path=/; HttpOnly; SameSite=Lax",
]


class Desk:
    """Renews in the place of the database, when the test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Request, Admitted]] = []
        self.outcome: Renewed | Exception | None = None
        self._may = threading.Event()

    async def renew(self, head: Request, admitted: Admitted) -> Renewed | None:
        self.asked.append((head, admitted))
        await asyncio.to_thread(self._may.wait, 10)
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def give(self, outcome: Renewed | Exception | None) -> None:
        self.outcome = outcome
        self._may.set()

    def is_asked(self) -> bool:
        return bool(self.asked)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def spent_lane(lane_with: LaneWith, desk: Desk) -> Callable[..., Lane]:
    """A lane whose sessions are renewed at the desk."""

    def make(**settings: object) -> Lane:
        lane = lane_with(**settings)
        object.__setattr__(lane.gateway.gateway, "renew", desk.renew)
        return lane

    return make


def spent(method: str, target: str, *fields: str, body: bytes | None = None) -> bytes:
    return request(method, target, (*SPENT, *fields), body=body, token=None)


def begun(lane: Lane, desk: Desk, data: bytes) -> Client:
    """A client whose request waits for its session."""
    client = lane.client()
    client.send(data)
    wait_until(desk.is_asked, "the renewal to be asked for")
    return client


SpentLane = Callable[..., Lane]


def test_it_reaches_the_upstream_with_the_new_token_and_the_answer_brings_the_cookies(
    spent_lane: SpentLane, desk: Desk
) -> None:
    lane = spent_lane()
    client = begun(lane, desk, spent("GET", "/rest/items"))
    assert lane.upstream.nobody_knocks
    desk.give(RENEWED)
    upstream = lane.upstream.accept()
    head = upstream.head()
    assert head.value(b"authorization") == f"Bearer {VALID}".encode()
    assert head.value(b"cookie") == b"theme=dark"
    upstream.send(
        answer(fields=("Cache-Control: public, max-age=60", "CDN-Cache-Control: max-age=60", "X-A: b"))
    )
    got = client.answer()
    assert got.head.values(b"set-cookie") == SET
    assert got.head.values(b"cache-control") == [b"no-store"]
    assert got.head.values(b"cdn-cache-control") == []
    assert got.head.value(b"x-a") == b"b"
    (event,) = lane.gateway.events_of(RequestRelayed)
    assert event.role is not None
    (renewal,) = lane.gateway.events_of(SessionRenewed)
    assert renewal.is_renewed


def test_the_connection_goes_on_afterwards(spent_lane: SpentLane, desk: Desk) -> None:
    lane = spent_lane()
    desk.give(RENEWED)
    client = lane.client()
    with lane.upstream.serving():
        client.send(spent("GET", "/rest/items"))
        assert client.answer().status == 200
        again = client.ask("GET", "/rest/items")
    assert (again.status, again.head.values(b"set-cookie")) == (200, [])


def test_a_body_that_comes_meanwhile_waits_and_stays_whole(spent_lane: SpentLane, desk: Desk) -> None:
    lane = spent_lane()
    client = begun(lane, desk, spent("POST", "/rest/items", CHUNKED) + b"3\r\nabc\r\n")
    client.send(b"3\r\ndef\r\n0\r\n\r\n")
    desk.give(RENEWED)
    upstream = lane.upstream.accept()
    assert upstream.request().body == b"abcdef"
    upstream.send(OK)
    assert client.answer().status == 200


def test_a_large_body_is_not_read_before_the_session_is_there(spent_lane: SpentLane, desk: Desk) -> None:
    lane = spent_lane()
    client = begun(lane, desk, spent("POST", "/rest/items", "Content-Length: 1000000"))
    sender = threading.Thread(target=client.send, args=(b"x" * 1_000_000,))
    sender.start()
    (connection,) = lane.gateway.connections
    wait_until(lambda: connection.flow.read_paused, "the client to be held")
    desk.give(RENEWED)
    upstream = lane.upstream.accept()
    assert upstream.request().body == b"x" * 1_000_000
    upstream.send(OK)
    assert client.answer().status == 200
    sender.join()


def test_a_client_that_waits_for_100_gets_it_once_the_session_is_there(
    spent_lane: SpentLane, desk: Desk
) -> None:
    lane = spent_lane()
    client = begun(lane, desk, spent("POST", "/rest/items", "Expect: 100-continue", "Content-Length: 2"))
    assert client.is_quiet
    desk.give(RENEWED)
    assert client.take_until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert lane.upstream.nobody_knocks
    client.send(b"{}")
    upstream = lane.upstream.accept()
    assert upstream.request().body == b"{}"
    upstream.send(OK)
    assert client.answer().status == 200


def test_one_that_does_not_wait_for_100_is_not_relayed_early(spent_lane: SpentLane, desk: Desk) -> None:
    lane = spent_lane()
    client = begun(lane, desk, spent("POST", "/rest/items", "Expect: 100-continue", "Content-Length: 2"))
    client.send(b"{}")
    lane.gateway.take_turns(3)
    assert lane.upstream.nobody_knocks
    desk.give(RENEWED)
    upstream = lane.upstream.accept()
    assert upstream.request().body == b"{}"
    upstream.send(OK)
    assert client.answer().status == 200


def test_requests_behind_it_wait_for_their_turn(spent_lane: SpentLane, desk: Desk) -> None:
    lane = spent_lane()
    client = begun(lane, desk, spent("GET", "/rest/a") + request("GET", "/rest/b"))
    assert lane.upstream.nobody_knocks
    with lane.upstream.serving():
        desk.give(RENEWED)
        assert [client.answer().status for _ in range(2)] == [200, 200]
    assert [received.head.target for received in lane.upstream.requests] == [b"/a", b"/b"]


def test_a_client_that_has_left_sends_nothing_upstream(spent_lane: SpentLane, desk: Desk) -> None:
    lane = spent_lane()
    client = begun(lane, desk, spent("DELETE", "/rest/items"))
    client.close()
    lane.gateway.wait_event(RelayAborted)
    desk.give(RENEWED)
    lane.gateway.wait_event(SessionRenewed)
    lane.gateway.take_turns(3)
    assert lane.upstream.nobody_knocks


def test_a_body_that_grows_too_large_meanwhile_is_refused(spent_lane: SpentLane, desk: Desk) -> None:
    lane = spent_lane(body_bytes=4)
    client = begun(lane, desk, spent("POST", "/rest/items", CHUNKED) + chunked(b"12345"))
    assert client.answer().status == 413
    desk.give(RENEWED)
    lane.gateway.wait_event(SessionRenewed)
    assert lane.upstream.nobody_knocks


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(None, 401), (DatabaseUnavailable(), 503), (RuntimeError("defect"), 500)],
    ids=["over", "no database", "a defect"],
)
def test_without_a_session_it_is_answered_and_nothing_is_relayed(
    spent_lane: SpentLane, desk: Desk, outcome: GatewayError | None, status: int
) -> None:
    lane = spent_lane()
    client = begun(lane, desk, spent("GET", "/rest/items"))
    desk.give(outcome)
    got = client.answer()
    assert (got.status, got.head.values(b"set-cookie")) == (status, [])
    assert lane.upstream.nobody_knocks
    assert len(lane.gateway.events_of(InternalFailure)) == (status == 500)


class TestTheCookiesAreNeverLost:
    """The token that was sent is spent: whatever the answer is, it must bring the next one."""

    def test_when_the_upstream_is_away(self, spent_lane: SpentLane, desk: Desk) -> None:
        lane = spent_lane(upstream_connect_seconds=1)
        lane.upstream.close()
        client = begun(lane, desk, spent("GET", "/rest/items"))
        desk.give(RENEWED)
        got = client.answer()
        assert (got.status, got.head.values(b"set-cookie")) == (502, SET)

    def test_when_the_upstream_breaks_off(self, spent_lane: SpentLane, desk: Desk) -> None:
        lane = spent_lane()
        client = begun(lane, desk, spent("GET", "/rest/items"))
        desk.give(RENEWED)
        upstream = lane.upstream.accept()
        upstream.request()
        upstream.close()
        got = client.answer()
        assert (got.status, got.head.values(b"set-cookie")) == (502, SET)

    def test_when_the_new_token_is_refused(self, spent_lane: SpentLane, desk: Desk) -> None:
        lane = spent_lane()
        client = begun(lane, desk, spent("GET", "/rest/items"))
        desk.give(Renewed(b"a.b.c", COOKIES))
        got = client.answer()
        assert (got.status, got.head.values(b"set-cookie")) == (401, SET)

    def test_when_the_protocol_is_switched(self, spent_lane: SpentLane, desk: Desk) -> None:
        upstream = Upstream()
        lane = spent_lane(upstream=upstream, routes=f"/live/ {upstream.url} required websocket")
        client = begun(lane, desk, spent("GET", "/live/feed", *HANDSHAKE))
        desk.give(RENEWED)
        end = lane.upstream.accept()
        assert end.head().value(b"authorization") == f"Bearer {VALID}".encode()
        end.send(AGREED)
        head = client.take_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert all(b"\r\nSet-Cookie: %b\r\n" % cookie in head for cookie in SET)
        client.send(b"up")
        assert end.take(2) == b"up"
        end.send(b"down")
        assert client.take(4) == b"down"
        client.close()


def test_an_event_stream_of_a_client_that_has_closed_its_side_meanwhile_has_a_deadline(
    spent_lane: SpentLane, desk: Desk
) -> None:
    """While it is silent, a client that reads looks like one that is gone."""
    lane = spent_lane(upstream_stall_seconds=0.1)
    client = begun(lane, desk, spent("GET", "/rest/events"))
    (connection,) = lane.gateway.connections
    client.half_close()
    wait_until(lambda: connection.state is LAST, "the end of the client's side to be read")
    desk.give(RENEWED)
    upstream = lane.upstream.accept()
    upstream.head()
    upstream.send(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    )
    client.wait_end()
    assert lane.gateway.wait_event(RelayAborted).reason == "response stalled"
