"""Account functions through the gateway: a real token is enough, and a session id from a log is not.

What they do to a change of password and of role is seen here as a browser sees it.
"""

import base64
import json
from pathlib import Path

import pytest
from harness.relay.deadlines import wait_until
from harness.site.curl import Curl
from harness.site.site import Site

JSON = ("-H", "Content-Type: application/json")
ACCOUNT = (*JSON, "-H", "Content-Profile: auth")
LOGIN = (*JSON, "-d", '{"user_":"demo","pass":"demo"}')
CALLS = {
    "sessions": ("{}", 200),
    "end_session": ('{"id":"00000000-0000-0000-0000-000000000000"}', 404),
    "logout_others": ("{}", 204),
    "change_password": ('{"old":"demo","new":"demo"}', 204),
    "logout_all": ("{}", 204),
}


def claims(token: str) -> dict[str, str]:
    part = token.split(".")[1]
    found: dict[str, str] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


@pytest.fixture
def visitor(site: Site, tmp_path: Path) -> Curl:
    curl = Curl(site.url, tmp_path / "visitor")
    assert curl("/rpc/login", *LOGIN).status == 204
    return curl


@pytest.fixture
def bare(site: Site, tmp_path: Path) -> Curl:
    """A client without cookies."""
    return Curl(site.url, tmp_path / "bare")


@pytest.mark.parametrize("name", CALLS)
def test_a_real_token_is_enough(visitor: Curl, bare: Curl, name: str) -> None:
    body, status = CALLS[name]
    bearer = ("-H", f"Authorization: Bearer {visitor.jar['access_token']}")

    assert bare(f"/rpc/{name}", *ACCOUNT, *bearer, "-d", body).status == status


@pytest.mark.parametrize("name", CALLS)
def test_a_token_that_names_the_session_and_does_not_prove_it_is_refused(
    site: Site, visitor: Curl, bare: Curl, name: str
) -> None:
    """Signed with the right key, as another program that has it could do."""
    body, _ = CALLS[name]
    sid = claims(visitor.jar["access_token"])["sid"]
    for forged in (site.token(sid=sid), site.token(sid=sid, jti="x"), site.token(sid=sid, jti=["x"])):
        bearer = ("-H", f"Authorization: Bearer {forged}")
        answer = bare(f"/rpc/{name}", *ACCOUNT, *bearer, "-d", body)
        assert (answer.status, json.loads(answer.body)["message"]) == (401, "Sign in to continue")
    assert visitor("/rpc/sessions", *ACCOUNT, "-d", "{}").status == 200


def test_a_change_of_password_gives_this_browser_a_new_session_and_what_was_copied_is_dead(
    site: Site, visitor: Curl, tmp_path: Path
) -> None:
    thief = Curl(site.url, tmp_path / "thief")
    for name, value in visitor.jar.items():
        thief.keep(f"{name}={value}; Path=/; Max-Age=600")
    before = claims(visitor.jar["access_token"])["sid"]
    body = '{"old":"demo","new":"demo"}'
    assert visitor("/rpc/change_password", *ACCOUNT, "-d", body).status == 204

    assert claims(visitor.jar["access_token"])["sid"] != before
    assert visitor("/rest/task").status == 200
    stolen = ("-H", f"Authorization: Bearer {thief.jar['access_token']}")
    bare = Curl(site.url, tmp_path / "bare")
    wait_until(lambda: bare("/rest/task", *stolen).status == 401, "the stolen token to be refused")
    assert thief("/rpc/refresh_token", "-X", "POST").status == 401
    assert thief("/rpc/logout_all", *ACCOUNT, "-d", "{}").status == 401
    assert visitor("/rpc/refresh_token", "-X", "POST").status == 204


def test_a_new_role_takes_effect_at_once_and_nobody_is_signed_out(site: Site, visitor: Curl) -> None:
    old = visitor.jar["access_token"]
    assert claims(old)["role"] == "basic_subscriber"
    bearer = ("-H", f"Authorization: Bearer {old}")
    try:
        site.database.execute("update auth.user set role = 'signed_in' where username = 'demo'")
        wait_until(lambda: visitor("/rest/task", *bearer).status != 200, "the old token to be refused")
        assert claims(visitor.jar["access_token"])["role"] == "signed_in"
    finally:
        site.database.execute("update auth.user set role = 'basic_subscriber' where username = 'demo'")
    wait_until(lambda: visitor("/rest/task").status == 200, "the role to be back")
    assert visitor("/rpc/sessions", *ACCOUNT, "-d", "{}").status == 200
