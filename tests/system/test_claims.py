"""What SQL reads of a request in request.headers: facts, whatever the client claims, in both lanes."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from harness.relay.deadlines import wait_until
from harness.site.client import ask
from harness.site.gateways import StartGateway
from harness.site.site import Site

CLAIMS = [
    ("X-Real-IP", "1.2.3.4"),
    ("x_real_ip", "1.2.3.4"),
    ("X-Auth-Subject", "root"),
    ("X_Auth_Subject", "root"),
    ("X.Auth.Subject", "root"),
    ("Forwarded", "for=1.2.3.4"),
    ("Remote-User", "root"),
    ("X-MS-CLIENT-PRINCIPAL", "e30="),
]
TOLD = [("X-Forwarded-For", "1.2.3.4, 198.51.100.7:4711"), ("X-Forwarded-Proto", "wss")]
FACTS = {"x-forwarded-proto": "https", "x-forwarded-host": "gw.test"}


@pytest.fixture(scope="module")
def seen(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    """A gateway behind a trusted proxy, with an auth function that returns what it sees."""
    site.database.execute(
        "create schema seen; grant usage on schema seen to anon;"
        "create function seen.look() returns json language sql as"
        " $$ select current_setting('request.headers')::json $$;"
        "grant execute on function seen.look() to anon"
    )
    with start_gateway(
        site.environ,
        auth_schema="seen",
        auth_functions="look",
        trusted_proxies="127.0.0.1",
        log_format="json",
    ) as gateway:
        yield replace(site, gateway=gateway)


def test_an_auth_function_sees_facts_and_no_claims(seen: Site) -> None:
    answer = ask(seen.url, "POST", "/rpc/look", [*CLAIMS, *TOLD, ("X-Mine", "kept")], b"")
    assert answer.status == 200
    found = json.loads(answer.body)
    assert found.items() >= {**FACTS, "x-forwarded-for": "198.51.100.7", "x-mine": "kept"}.items()
    assert not found.keys() & {name.lower() for name, _ in CLAIMS}
    assert "1.2.3.4" not in answer.body.decode()


def test_a_relayed_call_sees_the_same(seen: Site) -> None:
    cookie = ("Cookie", f"__Host-access_token={seen.token()}")
    answer = ask(seen.url, "GET", "/rpc/seen", [*CLAIMS, *TOLD, ("X-Mine", "kept"), cookie])
    assert answer.status == 200
    found = json.loads(answer.body)["headers"]
    assert found.items() >= {**FACTS, "x-forwarded-for": "198.51.100.7, 127.0.0.1", "x-mine": "kept"}.items()
    assert not found.keys() & {name.lower() for name, _ in CLAIMS}
    assert "1.2.3.4" not in answer.body.decode()


def test_a_header_of_the_proxys_that_cannot_be_read_is_in_the_log_once(seen: Site) -> None:
    for _ in range(3):
        ask(seen.url, "GET", "/rest/task", [("X-Forwarded-For", "203.0.113.5, unknown")])
    wait_until(lambda: '"forwarding_unreadable"' in seen.gateway.output, "the line in the log")
    lines = [json.loads(line) for line in seen.gateway.output.splitlines() if "forwarding_unreadable" in line]
    assert [(line["proxy"], line["header"], line["value"]) for line in lines] == [
        ("127.0.0.1", "x-forwarded-for", "unknown")
    ]
