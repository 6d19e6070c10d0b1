"""Admission: whose pages may act with the cookies of this origin."""

import json
from typing import Any

import pytest

from app.core.http.routing import AuthFunction, Policy
from app.errors import OriginDenied, render

from .builders import decide, mint, open_gateway, peer, refusal, session

EVIL = ("Origin: https://evil.test", "Sec-Fetch-Site: cross-site")


@pytest.mark.parametrize(
    "line",
    [
        "POST /rest/items",
        "PATCH /rest/items",
        "PUT /rest/items",
        "DELETE /rest/items",
        "PROPFIND /rest/items",
        "POST /rpc/do",
    ],
)
def test_another_sites_page_changes_nothing_with_our_cookies(line: str) -> None:  # F38
    refusal(OriginDenied, line, session(), *EVIL)
    refusal(OriginDenied, line, session(), "Origin: https://evil.test")
    refusal(OriginDenied, line, session(), "Sec-Fetch-Site: same-site")
    assert decide(line, session()).token
    assert decide(line, session(), "Origin: https://gw.test").token
    assert decide(line, session(), "Origin: https://app.test", "Sec-Fetch-Site: cross-site").token


@pytest.mark.parametrize(
    "line", ["POST /rpc/login", "POST /rpc/logout", "POST /rpc/refresh_token", "POST /rest/rpc/login"]
)
def test_another_sites_page_signs_nobody_in_or_out(line: str) -> None:  # F17, F35: with or without a session
    refusal(OriginDenied, line, *EVIL)
    refusal(OriginDenied, line, session(), *EVIL)
    refusal(OriginDenied, line, "Origin: null")
    for fields in (["Origin: https://gw.test"], ["Sec-Fetch-Site: same-origin"], []):
        assert isinstance(decide(line, *fields).lane, AuthFunction)


@pytest.mark.parametrize(
    "field",
    ["Cookie: theme=dark", "Cookie: sid=1; x", "Authorization: Basic YTpi", "Authorization: Negotiate x"],
)
@pytest.mark.parametrize("line", ["POST /rest/items", "DELETE /rpc/do"])
def test_whatever_a_browser_may_have_signed_with_is_protected(line: str, field: str) -> None:
    """A service may know its visitors by a cookie of any name, and SQL may read it."""
    gate = open_gateway()
    for credential in ((), (f"Authorization: Bearer {mint()}",)):
        if credential and field.startswith("Authorization"):
            continue
        refusal(OriginDenied, line, field, *credential, *EVIL, gate=gate)
        assert decide(line, field, *credential, "Origin: https://gw.test", gate=gate)
        assert decide(line, field, *credential, gate=gate)
        assert decide(line, *credential, *EVIL, gate=gate)  # nothing that a browser adds by itself


def test_a_public_route_is_left_to_its_service() -> None:
    assert decide("POST /rest/items", "Cookie: theirs=1", *EVIL, gate=open_gateway(Policy.NONE))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_not_held_to_the_cross_site_rule(method: str) -> None:
    assert decide(f"{method} /rest/items", session(), *EVIL).token


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("https", "gw.test:443", "https://gw.test"),
        ("http", "gw.test:80", "http://gw.test"),
        ("https", "GW.TEST", "https://gw.test"),
        ("http", "gw.test:8000", "http://gw.test:8000"),
    ],
)
def test_this_origin_is_the_one_the_client_sees(scheme: str, host: str, origin: str) -> None:
    assert decide(
        "POST /rest/items", session(), f"Origin: {origin}", host=host, peer=peer(scheme=scheme)
    ).token


def test_this_origin_is_the_one_a_trusted_proxy_was_asked_for() -> None:
    asked = ("X-Forwarded-Proto: https", "X-Forwarded-Host: gw.example", "Origin: https://gw.example")
    assert decide("POST /rest/items", session(), *asked, peer=peer("10.0.0.1", "http")).token
    refusal(OriginDenied, "POST /rest/items", session(), *asked, peer=peer("198.51.100.7", "http"))


LAN: dict[str, Any] = {
    "host": "lan.test",
    "peer": peer("10.0.0.1", "http"),
}  # nginx: proxy_set_header Host $host
OWN_PORT = "Origin: http://lan.test:8540"


@pytest.mark.parametrize("line", ["POST /rest/items", "POST /rpc/login"])
def test_a_port_that_a_trusted_proxy_drops_and_names_is_this_origins(line: str) -> None:
    for origin in (OWN_PORT, "Origin: http://LAN.test:8540", "Origin: http://lan.test"):
        decide(line, session(), origin, "X-Forwarded-Port: 8540", **LAN)
    for origin in ("http://lan.test:8541", "https://lan.test:8540", "http://evil.test:8540"):
        refusal(OriginDenied, line, session(), f"Origin: {origin}", "X-Forwarded-Port: 8540", **LAN)
    stranger = {**LAN, "peer": peer(scheme="http")}
    refusal(OriginDenied, line, session(), OWN_PORT, "X-Forwarded-Port: 8540", **stranger)


def test_the_port_of_a_proxy_behind_another_one_changes_nothing() -> None:
    """TLS ends on 443, further out than the proxy that says on which port it listens itself."""
    fields = ["X-Forwarded-Proto: https", "X-Forwarded-Port: 8443", "Origin: https://lan.test"]
    assert decide("POST /rest/items", session(), *fields, **LAN).token


@pytest.mark.parametrize(
    ("origin", "hint"),
    [
        ("http://lan.test:8540", "The port differs: let the proxy in front forward Host with its port"),
        ("https://lan.test", "to POSTGATE_TRUSTED_PROXIES, and let it send X-Forwarded-Proto"),
    ],
)
def test_a_refusal_names_both_origins_and_what_proxies_lose(origin: str, hint: str) -> None:
    refused = refusal(OriginDenied, "POST /rpc/login", f"Origin: {origin}", **LAN)
    assert refused.reason == f"foreign Origin {origin}, and this is http://lan.test"
    told = json.loads(render(refused, b"id")[2])["hint"]
    assert f"came from {origin}, but the gateway's origin seems to be http://lan.test." in told
    assert hint in told


@pytest.mark.parametrize(
    "origin",
    ["https://evil.test", 'https://"evil\\', "null", "http://lan.test.evil.test", "http://lan.test@evil"],
)
def test_an_origin_of_another_host_is_in_the_log_and_not_in_the_answer(origin: str) -> None:
    refused = refusal(OriginDenied, "POST /rpc/login", f"Origin: {origin}", **LAN)
    assert refused.reason == f"foreign Origin {origin}, and this is http://lan.test"
    assert refused.hint is None


def test_a_long_origin_is_named_in_part() -> None:
    refused = refusal(OriginDenied, "POST /rpc/login", f"Origin: https://{'e' * 9_000}.test", **LAN)
    assert len(refused.reason) + len(refused.hint or "") < 500
