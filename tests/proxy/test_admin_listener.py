"""The second listener: alive, ready, counted. Never on the public one."""

import json
import time

import jwt
import pytest
from harness.relay.client import Client, request
from harness.relay.deadlines import wait_until
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.tokens import KEY
from harness.relay.upstream import OK, Script, answer_everything, answering
from prometheus_client.parser import text_string_to_metric_families

from app.events import BecameReady, NotReady


def ask_admin(lane: Lane, path: str, method: str = "GET") -> tuple[int, bytes]:
    with Client(lane.gateway.admin_port) as admin:
        got = admin.ask(method, path, token=None)
        return got.status, got.body


def counted(lane: Lane, name: str, **labels: str) -> float:
    """The value of a metric; the sum, where labels are left open."""
    text = ask_admin(lane, "/metrics")[1].decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    return sum(
        sample.value for sample in samples if sample.name == name and labels.items() <= sample.labels.items()
    )


def test_it_is_alive_whatever_else_is_down(lane_with: LaneWith) -> None:
    lane = lane_with()
    lane.upstream.close()
    assert ask_admin(lane, "/live") == (200, b'{"live":true}')


@pytest.mark.parametrize("path", ["/live", "/live/", "/ready", "/ready/", "/metrics", "/metrics/"])
def test_probes_may_ask_by_head_and_with_a_slash_at_the_end(lane: Lane, path: str) -> None:
    with lane.upstream.serving(), Client(lane.gateway.admin_port) as admin:
        got = admin.ask("GET", path, token=None)
        head = admin.ask("HEAD", path, token=None)
        assert (head.status, head.body) == (got.status, b"")
        assert admin.ask("GET", "/live", token=None).status == 200  # the connection is in step


@pytest.mark.parametrize("path", ["/live", "/ready/", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "OPTIONS", "DELETE"])
def test_they_take_no_other_method(lane: Lane, path: str, method: str) -> None:
    with Client(lane.gateway.admin_port) as admin:
        got = admin.ask(method, path, token=None)
    assert (got.status, json.loads(got.body)["code"]) == (405, "GW103")
    assert set(got.head.value(b"allow").split(b", ")) == {b"GET", b"HEAD"}


@pytest.mark.parametrize("path", ["/live//", "/Live", "/metrics/x", "/auth/verif", "/auth", "/"])
def test_it_redirects_nowhere(lane: Lane, path: str) -> None:
    status, body = ask_admin(lane, path)
    assert (status, json.loads(body)["code"]) == (404, "GW105")


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-site", 403), ("none", 200)])
def test_pages_of_other_sites_read_no_numbers(lane: Lane, site: str, status: int) -> None:
    with Client(lane.gateway.admin_port) as admin:
        assert admin.ask("GET", "/metrics", [f"Sec-Fetch-Site: {site}"], token=None).status == status


def test_it_is_not_ready_while_the_database_is_down(lane: Lane) -> None:
    with lane.upstream.serving():
        status, body = ask_admin(lane, "/ready")
    assert status == 503
    assert json.loads(body) == {"serving": True, "postgres": False, "postgrest": True}


def test_it_is_not_ready_while_postgrest_fails(lane: Lane) -> None:
    with lane.upstream.serving(answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")):
        assert json.loads(ask_admin(lane, "/ready")[1])["postgrest"] is False


def test_the_probe_is_nobodys_and_lives_for_seconds(lane: Lane) -> None:
    with lane.upstream.serving():
        ask_admin(lane, "/ready")
    head = lane.upstream.requests[0].head
    token = head.value(b"authorization").removeprefix(b"Bearer ")
    claims = jwt.decode(token, KEY, algorithms=["HS256"])
    assert claims == {"role": "anon", "exp": pytest.approx(time.time() + 30, abs=10)}
    assert b"cookie" not in head.names


def refusing(challenge: bytes) -> Script:
    return answering(b"HTTP/1.1 401 No\r\nWWW-Authenticate: " + challenge + b"\r\nContent-Length: 0\r\n\r\n")


def test_what_is_wrong_is_told_when_it_changes(lane_with: LaneWith) -> None:
    lane = lane_with()
    failing = answering(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")
    refusal = refusing(b'Bearer error="invalid_token", error_description="JWSError JWSInvalidSignature"')
    for script in (answer_everything, failing, failing, refusal, refusing(b"Bearer")):
        with lane.upstream.serving(script):
            ask_admin(lane, "/ready")
    away = "It cannot be reached: nothing listens at that address."
    assert [event for event in lane.gateway.events if isinstance(event, NotReady | BecameReady)] == [
        NotReady(away),
        NotReady(away, "It responds with status 503."),
        NotReady(away, "It rejects the gateway's tokens: `postgate check` says why."),
        NotReady(away),
    ]


def test_requests_are_counted(lane_with: LaneWith) -> None:
    lane = lane_with()
    with lane.upstream.serving():
        client = lane.client()
        for _ in range(3):
            client.ask("GET", "/rest/items")
        client.ask("DELETE", "/rest/items")
        client.ask("PROPFIND", "/rest/items")
        client.ask("GET", "/rest/items", token=None)
        relayed = "gateway_requests_relayed_total"
        assert counted(lane, relayed, route="rest", method="GET", status="200") == 3
        assert counted(lane, relayed, method="DELETE") == 1
        assert counted(lane, relayed, method="OTHER") == 1
        assert counted(lane, "gateway_requests_rejected_total", code="GW200", status="401") == 1
        assert counted(lane, "gateway_relay_duration_seconds_count", route="rest") == 5
        assert counted(lane, "gateway_client_connections") == 1
        assert counted(lane, "gateway_upstream_connections") == 1


def test_a_broken_relay_is_counted(lane_with: LaneWith) -> None:
    lane = lane_with()
    client, upstream = lane.relaying()
    upstream.request()
    client.reset()
    upstream.wait_end()
    wait_until(
        lambda: counted(lane, "gateway_relays_aborted_total", route="rest") == 1, "the relay to be counted"
    )


def test_the_public_listener_has_none_of_it(lane: Lane) -> None:
    client = lane.client()
    for path in ("/live", "/ready", "/metrics", "/docs", "/openapi.json"):
        client.send(request("GET", path, token=None))
        assert client.answer().status == 401
        client.send(request("GET", path))
        assert client.answer().status == 404
    assert lane.upstream.nobody_knocks


def test_the_admin_listener_relays_nothing(lane: Lane) -> None:
    assert ask_admin(lane, "/rest/items")[0] == 404
    assert ask_admin(lane, "/rpc/login", "POST")[0] == 404
    assert lane.upstream.nobody_knocks


def test_an_upstream_that_is_slow_to_probe_does_not_hold_up_clients(lane: Lane) -> None:
    with Client(lane.gateway.admin_port) as admin:
        admin.send(request("GET", "/ready", token=None))
        probed = lane.upstream.accept()
        client, upstream = lane.relaying()
        upstream.request()
        upstream.send(OK)
        assert client.answer().status == 200
        probed.close()
        assert admin.answer().status == 503
