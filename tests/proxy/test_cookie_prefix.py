"""Relayed responses bring the session's cookies under their prefix too: over https, or always with `host`."""

import pytest
from harness.relay.client import request
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.tokens import VALID
from harness.relay.upstream import answer

WRITTEN = (
    "Set-Cookie: access_token=A; Path=/x; Domain=example.org",
    "X-Between: 1",
    "set-cookie: refresh_token=R; Max-Age=60",
    "Set-Cookie: theme=dark; Domain=example.org",
)
HARDENED = [
    b"access_token=A; Path=/x; Domain=example.org; HttpOnly; SameSite=Lax",
    b"refresh_token=R; Max-Age=60; HttpOnly; SameSite=Lax",
    b"theme=dark; Domain=example.org",
]
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


def test_without_a_prefix_they_are_hardened_under_their_names(lane: Lane) -> None:
    client, upstream = lane.relaying()
    upstream.request()
    upstream.send(answer(fields=WRITTEN))
    assert client.answer().head.values(b"set-cookie") == HARDENED


def test_a_connection_that_is_kept_reads_the_prefixed_name_every_time(lane_with: LaneWith) -> None:
    lane = lane_with(cookie_prefix="host")
    with lane.upstream.serving():
        client = lane.client()
        for _ in range(3):  # the head that a connection sends again takes another way
            assert client.ask("GET", "/rest/items", [MINE], token=None).status == 200
            assert client.ask("GET", "/rest/items", [f"{MINE}; access_token=x"], token=None).status == 200
            assert client.ask("GET", "/rest/items").status == 401
    assert not any(b"cookie" in received.head.names for received in lane.upstream.requests)


class TestByDefault:
    """The prefix follows the scheme that a trusted proxy names, on one connection as well."""

    HTTPS = "X-Forwarded-Proto: https"

    @pytest.fixture
    def behind(self, lane_with: LaneWith) -> Lane:
        return lane_with(trusted_proxies="127.0.0.1")

    def test_the_sessions_cookies_are_renamed_over_https_alone(self, behind: Lane) -> None:
        secure, upstream = behind.relaying(request("GET", "/rest/items", [self.HTTPS, MINE], token=None))
        upstream.request()
        upstream.send(answer(fields=WRITTEN))
        assert secure.answer().head.values(b"set-cookie") == [
            b"__Host-access_token=A; Path=/; HttpOnly; SameSite=Lax; Secure",
            b"__Host-refresh_token=R; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure",
            b"theme=dark; Domain=example.org",
        ]

    def test_over_http_they_are_hardened_under_their_names(self, behind: Lane) -> None:
        plain, upstream = behind.relaying()
        upstream.request()
        upstream.send(answer(fields=WRITTEN))
        assert plain.answer().head.values(b"set-cookie") == HARDENED

    def test_a_connection_that_is_kept_reads_the_name_of_each_requests_scheme(self, behind: Lane) -> None:
        plain = f"Cookie: access_token={VALID}"
        expected = {(self.HTTPS, MINE): 200, (self.HTTPS, plain): 401, (plain,): 200, (MINE,): 401}
        with behind.upstream.serving():
            client = behind.client()
            for _ in range(4):  # a head that comes again takes another way
                for fields, status in expected.items():
                    assert client.ask("GET", "/rest/items", list(fields), token=None).status == status
        assert not any(b"cookie" in received.head.names for received in behind.upstream.requests)

    def test_a_client_that_no_proxy_stands_for_cannot_choose(self, lane: Lane) -> None:
        with lane.upstream.serving():
            client = lane.client()
            assert client.ask("GET", "/rest/items", [self.HTTPS, MINE], token=None).status == 401
            assert client.ask("GET", "/rest/items", [self.HTTPS]).status == 200
