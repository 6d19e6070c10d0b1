"""The work for a head grows no faster than the head: what a stranger sends costs about what it weighs."""

from collections.abc import Callable
from contextlib import suppress
from time import thread_time

import pytest

from app.core.admission import Admission
from app.core.requests import Request
from app.errors import GatewayError

from .builders import NOW, gateway, peer, request

LARGE = 16_384
SMALL = LARGE // 4
MOST_SECONDS = 0.02  # of the largest: some 0.5 ms on a machine with nothing else to do


def fields(name: str, unit: str, *, lines: int = 1) -> Callable[[int], Request]:
    """A head with fields of so many bytes, four times as many as a target may have."""

    def make(size: int) -> Request:
        value = unit * (4 * size // len(unit) // lines)
        return request("GET /rest/items", *[f"{name}: {value}"] * lines, peer=peer("10.0.0.1"))

    return make


def target(unit: str, end: str = "", start: str = "/rest") -> Callable[[int], Request]:
    return lambda size: request(f"GET {start}{unit * ((size - 20) // len(unit))}{end}")


HEADS: dict[str, Callable[[int], Request]] = {
    "segments": target("/a"),
    "escaped segments": target("/%41"),
    "dotted segments": target("/.a"),
    "dot segment at the end": target("/...", "/.."),
    "escapes": target("%41", start="/rest/"),
    "escapes of UTF-8": target("%C3%A9", start="/rest/"),
    "no UTF-8 at the end": target("%C3%A9", "%ff", start="/rest/"),
    "raw bytes": target("a", "\x00", start="/rest/"),
    "brackets": target("[", "%", start="/rest/"),
    "path parameters": target(";a", start="/rest/"),
    "escaped function": target("%6c", start="/rpc/"),
    "query": target("a&", start="/rest/items?"),
    "query with an end": target("|", "#", start="/rest/items?"),
    "cookies": fields("Cookie", "a=b; "),
    "crumbs": fields("Cookie", ";"),
    "one cookie": fields("Cookie", "a"),
    "session cookies": fields("Cookie", "access_token=a; refresh_token=b; "),
    "cookie lines": fields("Cookie", "a=b; ", lines=90),
    "Connection": fields("Connection", "a,"),
    "Connection lines": fields("Connection", "a,", lines=90),
    "X-Forwarded-For": fields("X-Forwarded-For", "192.0.2.1,"),
    "X-Forwarded-For of our own": fields("X-Forwarded-For", "10.0.0.2,"),
    "X-Forwarded-For without an end": fields("X-Forwarded-For", "1"),
    "X-Forwarded-For lines": fields("X-Forwarded-For", "10.0.0.2,", lines=90),
    "X-Forwarded-Proto": fields("X-Forwarded-Proto", "https,"),
    "X-Forwarded-Host": fields("X-Forwarded-Host", "a,"),
    "X-Forwarded-Port": fields("X-Forwarded-Port", "8,"),
    "Via": fields("Via", "1.1 postgate-1, "),
    "Via lines": fields("Via", "1.1 a, ", lines=90),
    "Host": fields("X-Forwarded-Host", "a."),
    "Origin": fields("Origin", "a"),
    "Authorization": fields("Authorization", "Bearer "),
    "Accept": fields("Accept", "text/html,"),
    "a long name": lambda size: request("GET /rest/items", f"{'x-' * size}: 1"),
    "strange names": lambda size: request(
        "GET /rest/items", *[f"{'x.' * (size // 50)}{n}: 1" for n in range(90)]
    ),
    "Transfer-Encoding": fields("Transfer-Encoding", ", "),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_work_for_a_head_grows_no_faster_than_the_head(kind: str) -> None:
    gate = gateway(head_bytes=1 << 20)
    small, large = HEADS[kind](SMALL), HEADS[kind](LARGE)
    _seconds(gate, small)
    # A quadratic reader takes sixteen times as long for four times as much
    assert any(_seconds(gate, large) < max(9 * _seconds(gate, small), 0.002) for _ in range(3))
    assert _seconds(gate, large) < MOST_SECONDS


def _seconds(gate: Admission, head: Request) -> float:
    """The least time of this thread that a decision has taken in a few runs."""
    return min(_once(gate, head) for _ in range(5))


def _once(gate: Admission, head: Request) -> float:
    began = thread_time()
    with suppress(GatewayError):
        gate.decide(head, NOW)
    return thread_time() - began
