"""What several files of tests hold against an answer."""

import json
import time

from app.events import RequestRejected
from harness.relay.answers import Answer
from harness.relay.client import Client, request
from harness.relay.lane import Lane
from harness.relay.upstream import OK

SOON_SECONDS = 2.0


def check_refusal(got: Answer, status: int, code: str) -> None:
    """The gateway's own answer: four keys, and not a word of what the upstream said."""
    assert got.status == status
    assert json.loads(got.body).keys() == {"code", "message", "details", "hint"}
    assert json.loads(got.body)["code"] == code
    assert got.head.value(b"Cache-Control") == b"no-store"
    assert got.head.value(b"X-Content-Type-Options") == b"nosniff"
    assert got.head.value(b"X-Request-Id")


def check_next_request_takes_a_new_connection(lane: Lane, client: Client) -> None:
    client.send(request("POST", "/rest/next"))
    fresh = lane.upstream.accept()
    assert fresh.request().head.target == b"/next"
    fresh.send(OK)
    assert client.answer().status == 200


def check_refused_soon(lane: Lane, client: Client, status: int, code: str) -> None:
    began = time.monotonic()
    assert client.answer().status == status
    assert time.monotonic() - began < SOON_SECONDS
    assert lane.gateway.wait_event(RequestRejected).code == code
