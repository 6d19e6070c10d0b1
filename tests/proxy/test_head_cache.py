"""What is kept of heads: for those that come again, and never more than fits."""

import pytest
from core.builders import NOW, gateway, mint, peer, request

from app.core.known_heads import KnownHead
from app.events import RequestRejected
from app.proxy.head_cache import HeadCache, KnownRejection, is_rejection_kept

MOST = 2_048


def keep(cache: HeadCache, *fields: str, times: int, method: str = "GET") -> None:
    head = request(f"{method} /rest/items", f"Cookie: access_token={mint()}", *fields)
    lines = b"".join(b"%b: %b\r\n" % header for header in head.headers)
    data = b"%b /rest/items HTTP/1.1\r\n%b\r\n" % (head.method, lines)
    admitted = gateway().decide(head, NOW)
    for _ in range(times):
        cache.keep_admitted(head, admitted, data)


def test_a_head_is_kept_when_it_comes_again() -> None:
    cache = HeadCache()
    keep(cache, times=1)
    assert len(cache) == 0
    keep(cache, times=1)
    assert len(cache) == 1
    keep(cache, times=5)
    assert len(cache) == 1


def test_heads_that_never_come_again_drive_nobody_out() -> None:
    cache = HeadCache()
    keep(cache, times=2)
    for number in range(3 * MOST):
        keep(cache, f"traceparent: 00-{number + 1:032x}-{1:016x}-01", times=1)
    assert len(cache) == 1


def test_the_oldest_makes_room() -> None:
    cache = HeadCache()
    for number in range(MOST + 10):
        keep(cache, f"X-Number: {number}", times=2)
    assert len(cache) == MOST


def test_a_large_head_is_not_kept() -> None:
    cache = HeadCache()
    keep(cache, "X-Large: " + "x" * 4_096, times=3)
    assert len(cache) == 0


def test_a_write_is_not_kept() -> None:
    cache = HeadCache()
    keep(cache, times=3, method="DELETE")
    assert len(cache) == 0


def test_other_rules_look_at_every_head_anew() -> None:
    cache = HeadCache()
    keep(cache, times=2)
    cache.clear()
    assert len(cache) == 0


class TestRefusals:
    DATA = b"GET /rest/items HTTP/1.1\r\nHost: gw.test\r\n\r\n"
    EVENT = RequestRejected(b"id-1", b"GET", 401, "GW401", "no token", "198.51.100.7", b"/rest/items")

    RESPONSE = b"HTTP/1.1 401\r\nX-Request-Id: id-1\r\n\r\n"

    def kept(self) -> HeadCache:
        cache = HeadCache()
        cache.keep_rejected(
            self.DATA, peer(), self.EVENT, b"HTTP/1.1 401\r\nX-Request-Id: id-1\r\n\r\n", now=5.0
        )
        return cache

    def test_one_is_found_again_and_given_another_id(self) -> None:
        known = self.kept().find(self.DATA, peer(), now=5.0)
        assert isinstance(known, KnownRejection)
        assert known.response_with(b"id-2") == b"HTTP/1.1 401\r\nX-Request-Id: id-2\r\n\r\n"
        assert known.event_with(b"id-2") == self.EVENT._replace(request_id=b"id-2")

    @pytest.mark.parametrize(
        ("data", "address", "now"),
        [
            (DATA, "198.51.100.8", 5.0),
            (DATA, "198.51.100.7", 5.5),
            (DATA.replace(b"items", b"other"), "198.51.100.7", 5.0),
            (DATA + DATA, "198.51.100.7", 5.0),
        ],
        ids=["another peer", "a tick later", "another target", "more bytes"],
    )
    def test_it_is_for_the_same_bytes_of_the_same_peer_until_the_next_tick(
        self, data: bytes, address: str, now: float
    ) -> None:
        assert self.kept().find(data, peer(address), now=now) is None

    def test_a_later_tick_begins_anew(self) -> None:
        cache = self.kept()
        cache.keep_rejected(b"other", peer(), self.EVENT, self.RESPONSE, now=5.5)
        assert cache.find(self.DATA, peer(), now=5.5) is None
        assert isinstance(cache.find(b"other", peer(), now=5.5), KnownRejection)

    @pytest.mark.parametrize(
        ("line", "data", "kept"),
        [
            ("GET /rest/items", DATA, True),
            ("HEAD /rest/items", DATA.replace(b"GET", b"HEAD"), True),
            ("POST /rest/items", DATA.replace(b"GET", b"POST"), False),
            ("GET /rest/items", DATA + DATA, False),
            ("GET /rest/items", DATA[:-2], False),
            ("GET /rest/items", DATA[5:], False),
            ("GET /rest/items", DATA[:-4] + b"x" * 4096 + DATA[-4:], False),
        ],
    )
    def test_it_is_kept_if_its_head_is_all_of_one_read(self, line: str, data: bytes, kept: bool) -> None:  # noqa: FBT001
        assert is_rejection_kept(request(line), data) is kept


def test_an_admitted_head_is_found_behind_another_request_line() -> None:
    cache = HeadCache()
    keep(cache, times=2)
    head = request("GET /rest/items", f"Cookie: access_token={mint()}")
    lines = b"".join(b"%b: %b\r\n" % header for header in head.headers)
    known = cache.find(b"GET /rest/other?a=b HTTP/1.1\r\n%b\r\n" % lines, peer(), now=0.0)
    assert isinstance(known, KnownHead)
    assert cache.find(b"GET /rest/items HTTP/1.1\r\nHost: gw.test\r\n\r\n", peer(), now=0.0) is None
