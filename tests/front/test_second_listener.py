"""The second listener, asked as proxies ask: by keep-alive, with a WebSocket's headers, from anywhere."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from harness.relay.client import Client
from harness.sessions import BEGIN_SESSION
from harness.site.client import ask
from harness.site.gateways import StartGateway
from harness.site.site import Site

VERIFY = "/auth/verify"


@pytest.fixture(scope="module")
def trusting_nobody(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    with start_gateway(site.environ, trusted_proxies="") as gateway:
        yield replace(site, gateway=gateway)


def test_it_is_where_the_question_is_answered_and_the_public_one_is_not(site: Site) -> None:
    session = [("Cookie", f"access_token={site.token()}"), ("X-Forwarded-Method", "GET")]
    assert ask(site.gateway.admin_url, "GET", VERIFY, session).status == 204
    assert ask(site.url, "GET", VERIFY, session).status == 404


def test_a_question_about_a_websocket_opens_none(site: Site) -> None:
    fields = [
        ("Cookie", f"access_token={site.token()}"),
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ]
    assert ask(site.gateway.admin_url, "GET", VERIFY, fields).status == 204
    cross_site = [*fields, ("Origin", "https://evil.example")]
    assert ask(site.gateway.admin_url, "GET", VERIFY, cross_site).status == 403


def test_one_connection_serves_many_questions(site: Site) -> None:
    with Client(site.gateway.admin_port) as client:
        for _ in range(3):
            assert client.ask("GET", VERIFY, ["X-Forwarded-Method: GET"], token=site.token()).status == 204


def test_only_a_trusted_proxy_says_where_somebody_comes_from(trusting_nobody: Site) -> None:
    (session,) = trusting_nobody.database.fetch(BEGIN_SESSION, "demo")
    asked = [("Cookie", f"refresh_token={session[0]}"), ("X-Forwarded-For", "203.0.113.9")]
    assert ask(trusting_nobody.gateway.admin_url, "GET", VERIFY, asked).status == 204
    (row,) = trusting_nobody.database.fetch(
        "select address from auth.session where id = $1::uuid", session[1]
    )
    assert row[0] == "127.0.0.1"


def test_what_passes_and_what_does_not_is_counted(site: Site) -> None:
    def counted(name: str) -> float:
        text = ask(site.gateway.admin_url, "GET", "/metrics").body.decode()
        return sum(float(line.rpartition(" ")[2]) for line in text.splitlines() if line.startswith(name))

    verified, refused = "gateway_requests_verified_total", 'gateway_requests_rejected_total{code="GW200"'
    before = counted(verified), counted(refused)
    ask(site.gateway.admin_url, "GET", VERIFY, [("Cookie", f"access_token={site.token()}")])
    ask(site.gateway.admin_url, "GET", VERIFY)
    assert (counted(verified), counted(refused)) == (before[0] + 1, before[1] + 1)
