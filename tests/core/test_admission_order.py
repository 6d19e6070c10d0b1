"""The straight line: of several faults, a request is refused for the first."""

from collections.abc import Callable
from typing import Any

import pytest

from app.core.requests import Options
from app.errors import (
    BodyTooLarge,
    CodingUnsupported,
    ExpectationFailed,
    GatewayError,
    HeadTooLarge,
    HostInvalid,
    LoopDetected,
    MethodNotAllowed,
    OriginDenied,
    RouteUnknown,
    TargetInvalid,
    TargetTooLong,
    TokenRejected,
    TooEarly,
    UpgradeRejected,
    VersionUnsupported,
)

from .builders import decide, gateway, refusal, session

EVIL = ("Origin: https://evil.test", "Sec-Fetch-Site: cross-site")

Fault = Callable[[dict[str, Any]], object]

STRAIGHT_LINE: list[tuple[type[GatewayError], Fault]] = [
    (VersionUnsupported, lambda head: head.update(version="2.0")),
    (MethodNotAllowed, lambda head: head.update(method="TRACE")),
    (TargetTooLong, lambda head: head.update(target="/" + "a" * 16_384)),
    (HeadTooLarge, lambda head: head["fields"].extend(["X-A: 1"] * 100)),
    (HostInvalid, lambda head: head.update(host="a@b")),
    (CodingUnsupported, lambda head: head["fields"].append("Transfer-Encoding: gzip")),
    (TargetInvalid, lambda head: head.update(target="/rest/../items")),
    (LoopDetected, lambda head: head["fields"].append("Via: 1.1 postgate, 1.1 postgate")),
    (ExpectationFailed, lambda head: head["fields"].append("Expect: 200-ok")),
    (TooEarly, lambda head: head["fields"].append("Early-Data: 1")),
    (TokenRejected, lambda head: head.update(cookie="Cookie: access_token=x.y.z")),
    (RouteUnknown, lambda head: head.update(target="/nowhere")),
    (BodyTooLarge, lambda head: head["fields"].append("Content-Length: 11")),
    (UpgradeRejected, lambda head: [head.update(upgrade=True), head["fields"].append("Upgrade: websocket")]),
    (OriginDenied, lambda head: head["fields"].extend(EVIL)),
]


@pytest.mark.parametrize(
    "first", range(len(STRAIGHT_LINE)), ids=[error.__name__ for error, _ in STRAIGHT_LINE]
)
def test_of_many_faults_the_first_on_the_straight_line_is_told(first: int) -> None:
    head: dict[str, Any] = {"method": "POST", "target": "/rest/items", "host": "gw.test", "version": "1.1"}
    head |= {"upgrade": False, "cookie": session(), "fields": []}
    for _, spoil in reversed(STRAIGHT_LINE[first:]):
        spoil(head)
    refusal(
        STRAIGHT_LINE[first][0],
        f"{head['method']} {head['target']}",
        head["cookie"],
        *head["fields"],
        host=head["host"],
        version=head["version"],
        gate=gateway(body_bytes=10),
        upgrade=head["upgrade"],
    )


def test_a_preflight_is_answered_before_the_lane_is_looked_for() -> None:
    asked = ("Origin: https://app.test", "Access-Control-Request-Method: PUT", "Expect: 200-ok")
    assert isinstance(decide("OPTIONS /nowhere", *asked).lane, Options)
    refusal(TargetInvalid, "OPTIONS /rest/../x", *asked)
