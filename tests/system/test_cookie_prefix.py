"""With POSTGATE_COOKIE_PREFIX=host: from login to logout under `__Host-`, and SQL knows nothing of it."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from harness.site.curl import Curl, CurlAnswer
from harness.site.gateways import StartGateway
from harness.site.site import Site

from app.core.session.cookie_names import SESSION_PATHS

JSON = ("-H", "Content-Type: application/json")
CREDENTIALS = (*JSON, "-d", '{"user_":"demo","pass":"demo"}')
BOTH = {"__Host-access_token", "__Host-refresh_token"}


@pytest.fixture(scope="module")
def prefixed(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    with start_gateway(site.environ, cookie_prefix="host") as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture
def visitor(prefixed: Site, tmp_path: Path) -> Curl:
    curl = Curl(prefixed.url, tmp_path)
    check_written(curl("/rpc/login", *CREDENTIALS))
    return curl


def check_written(answer: CurlAnswer) -> None:
    """Both cookies, as browsers take them."""
    assert answer.status == 204
    written = [cookie.split("; ") for cookie in answer.set_cookies]
    assert {pair.partition("=")[0] for pair, *_ in written} == BOTH
    for _, *attributes in written:
        assert {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"} <= set(attributes)
        assert not any(attribute.startswith("Domain") for attribute in attributes)


def cookie(**values: str) -> tuple[str, str]:
    """These cookies and no others."""
    return "-H", "Cookie: " + "; ".join(f"{name}={value}" for name, value in values.items())


def test_a_session_goes_from_login_to_logout(visitor: Curl) -> None:
    assert visitor("/rest/task").status == 200
    before = visitor.jar
    check_written(visitor("/rpc/refresh_token", "-X", "POST"))
    assert visitor.jar.keys() == BOTH
    assert visitor.jar["__Host-refresh_token"] != before["__Host-refresh_token"]
    assert visitor("/rest/task").status == 200
    out = visitor("/rpc/logout", "-X", "POST")
    assert out.status == 204
    assert visitor.jar == {}
    assert visitor("/rest/task").status == 401


def test_logout_clears_what_was_set_before_the_prefix_as_well(visitor: Curl) -> None:
    for path in SESSION_PATHS:
        visitor.keep(f"access_token=old; Path={path.decode()}")
        visitor.keep(f"refresh_token=old; Path={path.decode()}")
    assert visitor("/rpc/logout", "-X", "POST").status == 204
    assert visitor.jar == {}


def test_a_spent_access_cookie_is_renewed_under_the_prefix(
    visitor: Curl, prefixed: Site, tmp_path: Path
) -> None:
    kept = visitor.jar["__Host-refresh_token"]
    answer = Curl(prefixed.url, tmp_path / "other")("/rest/task", *cookie(**{"__Host-refresh_token": kept}))
    assert answer.status == 200
    assert {written.partition("=")[0] for written in answer.set_cookies} == BOTH


def test_the_plain_names_are_neither_credential_nor_handed_on(
    visitor: Curl, prefixed: Site, tmp_path: Path
) -> None:
    other = Curl(prefixed.url, tmp_path / "other")
    access, refresh = (visitor.jar[name] for name in sorted(BOTH))
    tossed = {"access_token": access, "refresh_token": refresh}
    assert other("/rest/task", *cookie(**tossed)).status == 401
    assert other("/rpc/refresh_token", "-X", "POST", *cookie(**tossed)).status == 401
    assert other("/rpc/logout", "-X", "POST", *cookie(**tossed)).status == 204  # of nobody
    assert visitor("/rest/task").status == 200
    ours = {f"__Host-{name}": value for name, value in tossed.items()}
    seen = other("/rpc/seen", *cookie(**{**ours, "access_token": "x", "refresh_token": "y", "theme": "dark"}))
    assert json.loads(seen.body)["cookies"] == {"theme": "dark"}


def test_a_tossed_refresh_cookie_does_not_shadow_ones_own(
    visitor: Curl, prefixed: Site, tmp_path: Path
) -> None:
    kept = visitor.jar["__Host-refresh_token"]
    for number, header in enumerate(
        (
            f"Cookie: refresh_token=tossed; __Host-refresh_token={kept}",
            f"Cookie: __Host-refresh_token={kept}; refresh_token=tossed",
        )
    ):
        other = Curl(prefixed.url, tmp_path / str(number))
        check_written(other("/rpc/refresh_token", "-X", "POST", "-H", header))  # twice: within the grace
