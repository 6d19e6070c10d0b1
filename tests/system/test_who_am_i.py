"""`auth.me()` through the gateway: a page whose cookies are HttpOnly asks who is signed in."""

import json
from pathlib import Path
from typing import Any

import pytest
from harness.site.curl import Curl, CurlAnswer
from harness.site.gateways import StartGateway
from harness.site.site import Site

JSON = ("-H", "Content-Type: application/json")
AUTH = ("-X", "POST", "-H", "Content-Profile: auth")
LOGIN = (*JSON, "-d", '{"user_":"demo","pass":"demo"}')
DEMO = {"username": "demo", "role": "basic_subscriber"}
STRANGER = {"username": None, "role": "anon"}


@pytest.fixture
def visitor(site: Site, tmp_path: Path) -> Curl:
    curl = Curl(site.url, tmp_path / "visitor")
    assert curl("/rpc/login", *LOGIN).status == 204
    return curl


@pytest.fixture
def bare(site: Site, tmp_path: Path) -> Curl:
    """A client without cookies."""
    return Curl(site.url, tmp_path / "bare")


def told(answer: CurlAnswer) -> Any:
    assert answer.status == 200, answer.body
    assert answer.value("content-type") == "application/json; charset=utf-8"
    return json.loads(answer.body)


def said(answer: CurlAnswer) -> dict[str, Any]:
    """Name and role; without a name, nothing else is said either."""
    whole = told(answer)
    named = {name: whole.pop(name) for name in DEMO}
    assert named["username"] is not None or set(whole.values()) == {None}
    return named


@pytest.mark.parametrize("path", ["/rpc/me", "/rest/rpc/me"])
@pytest.mark.parametrize("arguments", [(), (*JSON, "-d", "{}")], ids=["no body", "{}"])
def test_by_cookie_and_as_a_bearer(visitor: Curl, bare: Curl, path: str, arguments: tuple[str, ...]) -> None:
    bearer = ("-H", f"Authorization: Bearer {visitor.jar['access_token']}")

    assert said(visitor(path, *AUTH, *arguments)) == DEMO
    assert said(bare(path, *AUTH, *arguments, *bearer)) == DEMO
    assert said(bare(path, *AUTH, *arguments)) == STRANGER


def test_it_says_how_and_when_one_signed_in_and_until_when(site: Site, visitor: Curl) -> None:
    whole = told(visitor("/rpc/me", *AUTH))
    (row,) = site.database.fetch(
        "select user_id::text, id::text, extract(epoch from auth_time)::bigint as auth_time,"
        " to_json(expires_at)::text as expires_at from auth.session order by created_at desc limit 1"
    )

    assert (whole["id"], whole["session"], whole["auth_time"]) == (
        row["user_id"],
        row["id"],
        pytest.approx(row["auth_time"], abs=1),
    )
    assert whole["expires_at"][:19] == json.loads(row["expires_at"])[:19]
    assert (whole["amr"], whole["aal"], whole["email"]) == (["pwd"], 1, None)


def test_a_spent_access_token_is_renewed_first(visitor: Curl) -> None:
    before = visitor.jar["refresh_token"]
    visitor.keep("access_token=; Path=/; Max-Age=0")

    answer = visitor("/rpc/me", *AUTH)

    assert said(answer) == DEMO
    assert answer.value("cache-control") == "no-store"
    assert visitor.jar["access_token"]
    assert visitor.jar["refresh_token"] != before


def test_a_session_that_was_revoked_is_nobodys(visitor: Curl, bare: Curl) -> None:
    bearer = ("-H", f"Authorization: Bearer {visitor.jar['access_token']}")
    assert visitor("/rpc/logout", "-X", "POST").status == 204

    assert said(bare("/rpc/me", *AUTH, *bearer)) == STRANGER


def test_a_token_that_is_not_good_says_nothing(site: Site, bare: Curl) -> None:
    good = site.token(username="demo")
    for token in (site.token(username="demo", exp=1), good[:-4] + "AAAA", "x.y.z", ""):
        assert said(bare("/rpc/me", *AUTH, "-H", f"Authorization: Bearer {token}")) == STRANGER
    assert said(bare("/rpc/me", *AUTH, "-H", f"Authorization: Bearer {good}")) == DEMO


def test_the_settings_that_it_reads_come_from_no_client(bare: Curl) -> None:
    claims = json.dumps({"username": "demo", "role": "postgres"})
    headers = ("-H", f"Request.Jwt.Claims: {claims}", "-H", "App.Settings.Caller-Role: postgres")
    cookies = ("-H", "Cookie: app.settings.caller_role=postgres; role=postgres; username=demo")
    assert said(bare("/rpc/me", *AUTH, *headers, *cookies)) == STRANGER


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT"])
def test_other_methods_are_refused(visitor: Curl, method: str) -> None:
    fields = ("-H", "Accept-Profile: auth", "-H", "Content-Profile: auth")
    shape = ("-I",) if method == "HEAD" else ("-X", method)
    answer = visitor("/rpc/me", *shape, *fields)

    assert answer.status == 405
    assert answer.value("allow") == "POST, OPTIONS"


def test_without_the_profile_it_is_the_apis_own(visitor: Curl) -> None:
    answer = visitor("/rpc/me", "-X", "POST")

    assert (answer.status, json.loads(answer.body)["code"]) == (404, "PGRST202")


def test_where_the_gateway_does_not_renew_a_page_is_told_to(
    site: Site, visitor: Curl, start_gateway: StartGateway, tmp_path: Path
) -> None:
    with start_gateway(site.environ, renewal="false") as gateway:
        page = Curl(gateway.url, tmp_path / "page")
        page.keep(f"refresh_token={visitor.jar['refresh_token']}; Path=/; Max-Age=600")
        assert page("/rpc/me", *AUTH).status == 401
        assert page("/rpc/refresh_token", "-X", "POST").status == 204
        assert said(page("/rpc/me", *AUTH)) == DEMO
