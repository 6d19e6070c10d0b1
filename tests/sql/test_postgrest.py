"""The auth functions straight through a real PostgREST, with no gateway: schema auth in db-schemas."""

from collections.abc import Iterator
from dataclasses import replace

import httpx
import jwt
import pytest

from app.devstack import Database, DevStack

from .visitors import DEMO_HASH, INVALID_CREDENTIALS, SIGN_IN, Cookie

AUTH = {"Content-Profile": "auth", "Accept-Profile": "auth"}
GOOD = {"user_": "demo", "pass": "demo"}


@pytest.fixture(scope="module")
def exposed(stack: DevStack) -> Iterator[Database]:
    with stack.fresh_database() as own:
        own.execute(f"select auth.set_password_hash('demo', '{DEMO_HASH}')")
        own.execute("grant signed_in to basic_subscriber")
        yield own


@pytest.fixture(scope="module")
def url(stack: DevStack, exposed: Database) -> str:
    options = replace(
        stack.options,
        schemas=("api", "auth"),
        listen="tcp",
        app_settings={"jwt_secret": stack.options.jwt_secret, "jwt_secret_is_base64": "true"},
    )
    return stack.start_postgrest(options, database=exposed).url


@pytest.fixture
def client(url: str) -> Iterator[httpx.Client]:
    """Keeps cookies as a browser does: with paths, and across requests."""
    with httpx.Client(base_url=url, headers=AUTH) as client:
        yield client


def set_cookies(answer: httpx.Response) -> list[Cookie]:
    return [Cookie.parse(header) for header in answer.headers.get_list("set-cookie")]


def age(database: Database, seconds: int) -> None:
    """Let so many seconds pass since tokens were used."""
    database.fetch(
        "update auth.refresh_token set replaced_at = replaced_at - make_interval(secs => $1)", seconds
    )


def test_login_answers_204_with_two_cookies_whose_token_postgrest_accepts(client: httpx.Client) -> None:
    answer = client.post("/rpc/login", json=GOOD)
    access, refresh = set_cookies(answer)

    assert (answer.status_code, answer.content) == (204, b"")
    assert (access.name, refresh.name) == ("access_token", "refresh_token")
    bearer = {"Authorization": f"Bearer {access.value}", "Accept-Profile": "api", "Content-Profile": "api"}
    assert client.get("/task", headers=bearer).status_code == 200
    me = client.get("/rpc/me", headers={**bearer, **AUTH})
    claims = jwt.decode(access.value, options={"verify_signature": False})
    assert (me.json()["username"], me.json()["role"]) == ("demo", "basic_subscriber")
    assert (me.json()["id"], me.json()["session"]) == (claims["sub"], claims["sid"])


@pytest.mark.parametrize("body", [GOOD | {"pass": "bad"}, GOOD | {"user_": "nobody"}, GOOD | {"pass": None}])
def test_a_refused_login_answers_as_the_recipes_do(client: httpx.Client, body: dict[str, str]) -> None:
    answer = client.post("/rpc/login", json=body)

    assert answer.status_code == 401
    assert answer.json() == {"code": "PT401", "details": None, "hint": None, "message": INVALID_CREDENTIALS}
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not set_cookies(answer)


def test_a_session_lives_by_refreshes_and_ends_at_logout(client: httpx.Client) -> None:
    client.post("/rpc/login", json=GOOD)
    for _ in range(3):
        assert client.post("/rpc/refresh_token").status_code == 204
    last = client.cookies["refresh_token"]
    assert client.post("/rpc/logout").status_code == 204

    assert "refresh_token" not in client.cookies
    assert "access_token" not in client.cookies
    client.cookies.set("refresh_token", last)
    answer = client.post("/rpc/refresh_token")
    assert (answer.status_code, answer.content, set_cookies(answer)) == (401, b"", [])


def test_the_revocation_of_a_replayed_family_is_committed(client: httpx.Client, exposed: Database) -> None:
    client.post("/rpc/login", json=GOOD)
    stolen = client.cookies["refresh_token"]
    client.post("/rpc/refresh_token")
    current = client.cookies["refresh_token"]
    age(exposed, 61)
    client.cookies.clear()

    for token, clears in [(stolen, True), (current, False)]:
        answer = client.post("/rpc/refresh_token", headers={"Cookie": f"refresh_token={token}"})
        assert answer.status_code == 401
        assert bool(set_cookies(answer)) == clears


@pytest.mark.parametrize(
    "path",
    ["/rpc/login?user_=demo&pass=demo", "/rpc/login?user_=demo&pass=no", "/rpc/logout", "/rpc/refresh_token"],
)
def test_get_neither_checks_a_password_nor_moves_a_session(client: httpx.Client, path: str) -> None:
    answer = client.get(path)

    assert (answer.status_code, answer.json()["code"]) == (405, "25006")
    assert not set_cookies(answer)


@pytest.mark.parametrize(
    ("function", "body"),
    [
        ("mint_access_token", {"claims": {"sub": "demo", "role": "basic_subscriber"}}),
        ("issue_tokens", {"subject": "eve", "role": "basic_subscriber"}),
        ("sign_jwt", {"claims": {}, "key": "x"}),
        ("add_user", {"username": "eve", "password_hash": DEMO_HASH, "role": "basic_subscriber"}),
        ("set_password_hash", {"username": "demo", "password_hash": DEMO_HASH}),
        ("disable_user", {"username": "demo"}),
        ("ended_sessions", {}),
        ("note_failure", {"kind": "sign_in_failed", "username": "demo", "address": "", "user_agent": ""}),
    ],
)
def test_no_helper_can_be_called(client: httpx.Client, function: str, body: dict[str, object]) -> None:
    assert client.post(f"/rpc/{function}", json=body).status_code in (401, 404)


@pytest.mark.parametrize("table", ["user", "identity", "refresh_token", "session", "event"])
def test_no_table_can_be_read(client: httpx.Client, table: str) -> None:
    assert client.get(f"/{table}").status_code == 401


def test_a_signed_in_client_may_log_in_again_with_its_bearer_attached(client: httpx.Client) -> None:
    first = client.post("/rpc/login", json=GOOD)
    bearer = {"Authorization": f"Bearer {set_cookies(first)[0].value}"}

    assert client.post("/rpc/login", json=GOOD, headers=bearer).status_code == 204
    assert client.post("/rpc/refresh_token", headers=bearer).status_code == 204


def test_a_form_logs_in(client: httpx.Client) -> None:
    assert client.post("/rpc/login", data=GOOD).status_code == 204


def test_cookies_are_secure_behind_https(client: httpx.Client) -> None:
    answer = client.post("/rpc/login", json=GOOD, headers={"X-Forwarded-Proto": "https"})

    assert all("Secure" in cookie.attributes for cookie in set_cookies(answer))


class TestAccount:
    """With a bearer token alone, as a client without cookies has it."""

    @pytest.fixture
    def bearer(self, url: str) -> dict[str, str]:
        return self.sign_in(url)

    @staticmethod
    def sign_in(url: str, user_agent: str = "Test/1.0") -> dict[str, str]:
        with httpx.Client(base_url=url, headers={**AUTH, "User-Agent": user_agent}) as client:
            access = set_cookies(client.post("/rpc/login", json=GOOD))[0].value
        return {**AUTH, "Authorization": f"Bearer {access}"}

    @staticmethod
    def sid(bearer: dict[str, str]) -> str:
        token = bearer["Authorization"].removeprefix("Bearer ")
        return str(jwt.decode(token, options={"verify_signature": False})["sid"])

    @staticmethod
    def is_over(url: str, bearer: dict[str, str]) -> bool:
        answer = httpx.get(f"{url}/rpc/sessions", headers=bearer)
        if answer.status_code == 200:
            return False
        assert (answer.status_code, answer.json()["message"]) == (401, SIGN_IN)
        return True

    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_sessions_are_listed(self, url: str, bearer: dict[str, str], method: str) -> None:
        other = self.sign_in(url, "Test/2.0")
        answer = httpx.request(method, f"{url}/rpc/sessions", headers=bearer)
        mine = {one["id"]: (one["is_current"], one["user_agent"]) for one in answer.json()}

        assert answer.status_code == 200
        assert mine[self.sid(bearer)] == (True, "Test/1.0")
        assert mine[self.sid(other)] == (False, "Test/2.0")

    def test_one_is_ended_once(self, url: str, bearer: dict[str, str]) -> None:
        other = self.sign_in(url)
        body = {"id": self.sid(other)}
        answers = [httpx.post(f"{url}/rpc/end_session", headers=bearer, json=body) for _ in range(2)]

        assert [answer.status_code for answer in answers] == [204, 404]
        assert self.is_over(url, other)
        assert not self.is_over(url, bearer)

    def test_the_others_are_ended(self, url: str, bearer: dict[str, str]) -> None:
        other = self.sign_in(url)
        assert httpx.post(f"{url}/rpc/logout_others", headers=bearer).status_code == 204

        assert self.is_over(url, other)
        assert not self.is_over(url, bearer)

    @pytest.mark.parametrize("function", ["logout", "logout_all"])
    def test_this_one_is_ended(self, url: str, bearer: dict[str, str], function: str) -> None:
        assert httpx.post(f"{url}/rpc/{function}", headers=bearer).status_code == 204

        assert self.is_over(url, bearer)

    def test_a_password_is_changed_and_the_others_are_ended(self, url: str, bearer: dict[str, str]) -> None:
        other = self.sign_in(url)

        def change(old: str, new: str) -> httpx.Response:
            body = {"old": old, "new": new}
            return httpx.post(f"{url}/rpc/change_password", headers=bearer, json=body)

        assert [change("wrong", "new").status_code, change("demo", "").status_code] == [401, 422]
        changed = change("demo", "new")
        assert changed.status_code == 204
        assert self.is_over(url, other)
        assert self.is_over(url, bearer)
        bearer = {**bearer, "Authorization": f"Bearer {changed.cookies['access_token']}"}
        assert change("new", "demo").status_code == 204

    def test_nobody_is_told_to_sign_in(self, url: str) -> None:
        answer = httpx.post(f"{url}/rpc/sessions", headers=AUTH)

        assert (answer.status_code, answer.json()["message"]) == (401, SIGN_IN)
        assert answer.headers["www-authenticate"] == "Bearer"
