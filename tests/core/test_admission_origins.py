"""Admission: whose pages may act with the cookies of this origin."""

import pytest

from app.core.routing import AuthFunction
from app.errors import OriginDenied

from .builders import decide, peer, refusal, session

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
