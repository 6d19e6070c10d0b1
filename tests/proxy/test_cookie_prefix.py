"""With POSTGATE_COOKIE_PREFIX=host, relayed answers too bring the session's cookies under their prefix."""

from proxy.conftest import LaneWith
from proxy.harness.client import request
from proxy.harness.lane import Lane
from proxy.harness.tokens import VALID
from proxy.harness.upstream import answer

WRITTEN = (
    "Set-Cookie: access_token=A; Path=/x; Domain=example.org",
    "X-Between: 1",
    "set-cookie: refresh_token=R; Max-Age=60",
    "Set-Cookie: theme=dark; Domain=example.org",
)
MINE = f"Cookie: __Host-access_token={VALID}"


def cookies_of_an_answer(lane: Lane, *fields: str) -> list[bytes]:
    client, upstream = lane.relaying(request("GET", "/rest/items", [MINE], token=None))
    upstream.request()
    upstream.send(answer(fields=fields))
    return client.answer().head.values(b"set-cookie")


def test_the_sessions_cookies_are_renamed_in_order_and_others_left_alone(lane_with: LaneWith) -> None:
    assert cookies_of_an_answer(lane_with(cookie_prefix="host"), *WRITTEN) == [
        b"__Host-access_token=A; Path=/; HttpOnly; SameSite=Lax; Secure",
        b"__Host-refresh_token=R; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure",
        b"theme=dark; Domain=example.org",
    ]


def test_an_answer_without_cookies_stays_as_it_is(lane_with: LaneWith) -> None:
    assert cookies_of_an_answer(lane_with(cookie_prefix="host"), "X-Set-Cookie: access_token=A") == []


def test_without_a_prefix_all_are_left_alone(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(fields=WRITTEN))
    assert client.answer().head.values(b"set-cookie") == [
        field.partition(": ")[2].encode() for field in WRITTEN if field.lower().startswith("set-cookie")
    ]


def test_a_connection_that_is_kept_reads_the_prefixed_name_every_time(lane_with: LaneWith) -> None:
    lane = lane_with(cookie_prefix="host")
    with lane.upstream.serving():
        client = lane.client()
        for _ in range(3):  # the head that a connection sends again takes another way
            assert client.ask("GET", "/rest/items", [MINE], token=None).status == 200
            assert client.ask("GET", "/rest/items", [f"{MINE}; access_token=x"], token=None).status == 200
            assert client.ask("GET", "/rest/items").status == 401
    assert not any(b"cookie" in received.head.names for received in lane.upstream.requests)
