"""Both lanes on one connection: the gateway's own functions between relayed requests.

The database is dead here, so an auth function that is called answers 503: that it was called is the point.
"""

import json

import pytest
from harness.relay.client import request
from harness.relay.deadlines import wait_until
from harness.relay.lane import Lane
from harness.relay.upstream import OK

from app.events import InternalFailure

JSON = "Content-Type: application/json"
LOGIN = request("POST", "/rpc/login", [JSON], body=b'{"user_":"a","pass":"b"}', token=None)
RELAYED = request("GET", "/rest/items")


@pytest.mark.parametrize("path", ["/rpc/login", "/rest/rpc/login", "/rpc/logout", "/rpc/refresh_token"])
def test_an_auth_function_is_never_relayed(lane: Lane, path: str) -> None:
    client = lane.client()
    client.send(request("POST", path, [JSON], body=b"{}"))
    got = client.answer("POST")
    assert got.status == 503
    assert json.loads(got.body).keys() == {"code", "message", "details", "hint"}
    assert got.head.value(b"X-Request-Id")
    assert lane.upstream.nobody_knocks


@pytest.mark.parametrize("path", ["/rpc/login", "/rest/rpc/login"])
def test_with_another_profile_it_is_an_ordinary_call(lane: Lane, path: str) -> None:
    client, upstream = lane.relaying(request("POST", path, [JSON, "Content-Profile: api"], body=b"{}"))
    received = upstream.request()
    assert (received.head.target, received.head.value(b"content-profile")) == (b"/rpc/login", b"api")
    upstream.send(OK)
    assert client.answer("POST").status == 200
    client.send(request("POST", path, [JSON, "Content-Profile: api"], body=b"{}", token=None))
    assert client.answer("POST").status == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE"])
def test_an_auth_function_takes_post_only(lane: Lane, method: str) -> None:
    client = lane.client()
    client.send(request(method, "/rpc/login?user_=a&pass=b"))
    got = client.answer(method)
    assert got.status == 405
    assert b"POST" in got.head.value(b"Allow")
    assert lane.upstream.nobody_knocks


def test_answers_keep_their_order_across_the_lanes(lane: Lane) -> None:
    client = lane.client()
    with lane.upstream.serving():
        client.send(RELAYED + LOGIN + RELAYED + LOGIN + LOGIN + RELAYED)
        assert [client.answer().status for _ in range(6)] == [200, 503, 200, 503, 503, 200]
    assert len(lane.upstream.requests) == 3
    assert not lane.gateway.events_of(InternalFailure)


def test_a_login_after_a_relayed_upload_and_before_another(lane: Lane) -> None:
    client = lane.client()
    upload = request("POST", "/rest/items", body=b"x" * 200_000)
    with lane.upstream.serving():
        client.send(upload)
        client.send(LOGIN)
        client.send(upload)
        assert [client.answer("POST").status for _ in range(3)] == [200, 503, 200]
    assert [len(received.body) for received in lane.upstream.requests] == [200_000, 200_000]


def test_a_login_that_asks_before_it_sends(lane: Lane) -> None:
    client = lane.client()
    client.send(
        request("POST", "/rpc/login", [JSON, "Expect: 100-continue", "Content-Length: 2"], token=None)
    )
    reader = client.answering("POST")
    assert reader.interim().status == 100
    client.send(b"{}")
    assert reader.whole().status == 503


def test_a_login_of_an_old_client_that_does_not_wait(lane: Lane) -> None:
    client = lane.client()
    fields = [JSON, "Expect: 100-continue", "Content-Length: 2"]
    client.send(request("POST", "/rpc/login", fields, token=None, version="1.0"))
    assert client.is_quiet
    client.send(b"{}")
    got = client.answer("POST")
    assert (got.status, got.interim) == (503, ())


def test_a_login_whose_body_is_too_large_is_413(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rpc/login", [JSON], body=b"x" * 70_000, token=None))
    assert client.answer("POST").status == 413


def test_a_login_whose_client_leaves_is_forgotten(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rpc/login", [JSON, "Content-Length: 100"], token=None) + b"{")
    client.reset()
    wait_until(lambda: not lane.gateway.gateway.connections, "the client to be forgotten")
    assert not lane.gateway.events_of(InternalFailure)


def test_a_half_closed_login_is_answered(lane: Lane) -> None:
    client = lane.client()
    client.send(LOGIN)
    client.half_close()
    assert client.answer("POST").status == 503
    client.wait_end()


def test_a_stale_session_does_not_keep_anybody_from_signing_in(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rpc/login", [JSON], body=b"{}", token="stale.token.here"))
    assert client.answer("POST").status == 503


@pytest.mark.parametrize("fields", [[], ["Content-Length: 0"]])
def test_an_auth_function_ignores_an_upgrade_and_its_answer_is_the_last(
    lane: Lane, fields: list[str]
) -> None:
    """A server may ignore an upgrade (RFC 9110 section 7.8); the parser has stopped there."""
    asks = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMA", *fields]
    client = lane.client()
    client.send(request("POST", "/rpc/refresh_token", asks, token=None) + RELAYED)
    got = client.answer("POST")
    assert (got.status, got.head.closes) == (503, True)
    client.wait_end()
    assert client.unread == b""
    assert lane.upstream.nobody_knocks


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_an_auth_function_with_a_body_refuses_an_upgrade(lane: Lane, protocol: str) -> None:
    client = lane.client()
    asks = [JSON, "Connection: Upgrade", f"Upgrade: {protocol}"]
    client.send(request("POST", "/rpc/login", asks, body=b"{}") + RELAYED)
    assert client.answer("POST").status == 400
    client.wait_end()
    assert client.unread == b""
    assert lane.upstream.nobody_knocks


def test_the_rest_of_a_login_that_was_refused_early_is_never_a_request(lane: Lane) -> None:
    """Not even if it is, byte for byte, the head that this connection has sent before."""
    client = lane.client()
    with lane.upstream.serving():
        client.send(RELAYED)
        assert client.answer().status == 200
        client.send(request("POST", "/rpc/login", [JSON, "Content-Length: 1000000"]) + b"x" * 70_000)
        assert client.answer("POST").status == 413
        for _ in range(3):
            client.send(RELAYED)
            lane.gateway.take_turns(3)
        client.wait_end()
    assert client.unread == b""
    assert len(lane.upstream.requests) == 1


def test_an_early_refusal_of_a_login_is_not_lost_while_the_client_goes_on_sending(lane: Lane) -> None:
    client = lane.client()
    client.send(request("POST", "/rpc/login", [JSON], body=b"x" * 900_000, token=None))
    assert client.answer("POST").status == 413
    client.wait_end()
    assert client.unread == b""
