"""Other services behind the gateway: what they learn of the public origin, and what they may do to it."""

import pytest
from harness.relay.answers import Answer
from harness.relay.client import request
from harness.relay.fixtures import LaneWith
from harness.relay.lane import Lane
from harness.relay.tokens import VALID
from harness.relay.upstream import Upstream, answer

from app.events import ResponseHeaderDropped

PREFLIGHT = ["Origin: https://else.test", "Access-Control-Request-Method: PUT",
             "Access-Control-Request-Headers: x-a"]  # fmt: skip


@pytest.fixture
def lane(lane_with: LaneWith) -> Lane:
    upstream = Upstream()
    url = upstream.url
    routes = f"/fa/ {url} strip, /app/ {url} strip host websocket, /whole/ {url} host, /pub/ {url} none"
    return lane_with(upstream=upstream, routes=routes)


def answered(lane: Lane, target: str, *fields: str, asks: tuple[str, ...] = ()) -> Answer:
    client, upstream = lane.relaying(request("GET", target, asks))
    upstream.request()
    upstream.send(answer(fields=(*fields, "Connection: close")))
    return client.answer()


@pytest.mark.parametrize(
    ("target", "host", "prefix"),
    [
        ("/fa/items", b"127.0.0.1:%d", [b"/fa"]),
        ("/app/items", b"gw.test", [b"/app"]),
        ("/whole/items", b"gw.test", []),
        ("/pub/items", b"127.0.0.1:%d", []),
        ("/rest/items", b"127.0.0.1:%d", []),
    ],
)
def test_a_service_is_told_host_and_prefix_as_its_route_says(
    lane: Lane, target: str, host: bytes, prefix: list[bytes]
) -> None:
    spoofed = ["X-Forwarded-Prefix: /evil", "X-Forwarded-Host: evil.test"]
    _, upstream = lane.relaying(request("GET", target, spoofed))
    head = upstream.request().head
    assert head.value(b"host") == (host % lane.upstream.port if b"%" in host else host)
    assert head.values(b"x-forwarded-prefix") == prefix
    assert head.values(b"x-forwarded-host") == [b"gw.test"]


def test_a_head_that_comes_again_says_the_same(lane: Lane) -> None:
    client, upstream = lane.relaying(request("GET", "/app/items"))
    heads = []
    for _ in range(4):
        head = upstream.request().head
        heads.append({name: head.values(name) for name in head.names if name != b"x-request-id"})
        upstream.send(answer(b"[]"))
        client.answer()
        client.send(request("GET", "/app/items"))
    assert heads[0][b"host"] == [b"gw.test"]
    assert all(head == heads[0] for head in heads)


@pytest.mark.parametrize(
    ("target", "written", "public"),
    [
        ("/fa/items", "http://127.0.0.1:{port}/items/", b"/fa/items/"),
        ("/fa/items", "/items/", b"/fa/items/"),
        ("/app/items", "http://gw.test/items/", b"/app/items/"),
        ("/whole/items", "http://127.0.0.1:{port}/whole/items/", b"/whole/items/"),
        ("/fa/items", "https://other.test/", b"https://other.test/"),
        ("/rest/todos", "/todos?id=eq.1", b"/rest/todos?id=eq.1"),
        ("/rest/rpc/enter", "/welcome", b"/welcome"),
        ("/rpc/enter", "/welcome", b"/welcome"),
    ],
)
@pytest.mark.parametrize("name", ["Location", "Content-Location"])
def test_what_a_service_points_to_can_be_followed(
    lane: Lane, target: str, written: str, public: bytes, name: str
) -> None:
    got = answered(lane, target, f"{name}: {written.format(port=lane.upstream.port)}")
    assert got.head.value(name.encode()) == public


@pytest.mark.parametrize("target", ["/fa/x", "/app/x", "/whole/x", "/pub/x"])
def test_no_service_sets_or_clears_the_session_and_the_log_says_so_once(lane: Lane, target: str) -> None:
    fields = (
        "Set-Cookie: access_token=theirs; Path=/",
        "Set-Cookie: theme=dark",
        'Clear-Site-Data: "cookies"',
    )
    for _ in range(2):
        got = answered(lane, target, *fields[:2])
        assert got.head.values(b"Set-Cookie") == [b"theme=dark"]
    assert b"clear-site-data" not in answered(lane, target, fields[2]).head.names
    told = [(event.route, event.header) for event in lane.gateway.events_of(ResponseHeaderDropped)]
    route = target.removesuffix("x")
    assert told == [(route, "Set-Cookie: access_token"), (route, "Clear-Site-Data")]


def test_functions_of_postgrest_may_set_a_session(lane: Lane) -> None:
    got = answered(lane, "/rpc/issue", "Set-Cookie: access_token=A; Path=/")
    assert got.head.value(b"Set-Cookie") == b"access_token=A; Path=/; HttpOnly; SameSite=Lax"


def test_a_public_service_has_its_own_cors_and_answers_its_own_preflights(lane: Lane) -> None:
    cors = ("Access-Control-Allow-Origin: *", "Access-Control-Allow-Headers: *", "Vary: Accept")
    got = answered(lane, "/pub/x", *cors, asks=("Origin: https://else.test",))
    assert got.head.value(b"Access-Control-Allow-Origin") == b"*"
    assert got.head.value(b"Access-Control-Allow-Headers") == b"*"
    assert got.head.values(b"Vary") == [b"Accept"]
    client, upstream = lane.relaying(request("OPTIONS", "/pub/x", PREFLIGHT, token=None))
    head = upstream.request().head
    assert (head.method, head.target) == (b"OPTIONS", b"/pub/x")
    assert head.value(b"origin") == b"https://else.test"
    assert head.value(b"access-control-request-method") == b"PUT"
    assert head.value(b"access-control-request-headers") == b"x-a"
    upstream.send(answer(b"", status="200 OK", fields=cors))
    assert client.answer("OPTIONS").head.value(b"Access-Control-Allow-Origin") == b"*"


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
def test_a_public_service_gets_no_credential(lane: Lane, method: str) -> None:
    sent = ["Authorization: Bearer " + VALID, "Cookie: refresh_token=R; theme=dark", *PREFLIGHT]
    _, upstream = lane.relaying(request(method, "/pub/x", sent))
    head = upstream.request().head
    assert b"authorization" not in head.names
    assert head.values(b"cookie") == [b"theme=dark"]
    assert VALID.encode() not in head.raw


@pytest.mark.parametrize("target", ["/fa/x", "/rest/x", "/rpc/x"])
def test_elsewhere_cors_and_preflights_are_the_gateways(lane: Lane, target: str) -> None:
    got = answered(lane, target, "Access-Control-Allow-Origin: *", asks=("Origin: https://else.test",))
    assert b"access-control-allow-origin" not in got.head.names
    client = lane.client()
    client.send(request("OPTIONS", target, PREFLIGHT, token=None))
    assert client.answer("OPTIONS").status == 403


@pytest.mark.parametrize("name", ["Server", "X-Powered-By"])
@pytest.mark.parametrize("target", ["/fa/x", "/rest/x", "/pub/x"])
def test_names_and_versions_of_services_end_here(lane: Lane, target: str, name: str) -> None:
    assert name.lower().encode() not in answered(lane, target, f"{name}: thing/1.2").head.names


def test_headers_that_protect_a_page_stand_where_they_break_none(lane_with: LaneWith) -> None:
    upstream = Upstream()
    behind = {"trusted_proxies": "127.0.0.1", "cookie_prefix": "none"}
    lane = lane_with(upstream=upstream, routes=f"/fa/ {upstream.url}", **behind)
    https = ("X-Forwarded-Proto: https",)
    protection = {b"x-content-type-options", b"referrer-policy", b"content-security-policy"}
    transport = {b"strict-transport-security"}
    assert answered(lane, "/fa/x", asks=https).head.names & (protection | transport) == transport
    assert answered(lane, "/rest/x", asks=https).head.names >= protection | transport
    assert not answered(lane, "/rest/x").head.names & transport
    own = answered(lane, "/rest/x", "X-Frame-Options: DENY", "Referrer-Policy: origin")
    assert b"content-security-policy" not in own.head.names
    assert own.head.values(b"Referrer-Policy") == [b"origin"]
    client = lane.client()
    for data, status in (
        (request("GET", "/rest/x", https, token=None), 401),
        (request("GET", "//", https), 400),
    ):
        client.send(data)
        refused = client.answer()
        assert refused.status == status
        assert refused.head.names >= protection | transport
        assert refused.head.value(b"Content-Security-Policy") == b"default-src 'none'; frame-ancestors 'none'"
