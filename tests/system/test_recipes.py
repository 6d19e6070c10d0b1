"""The known recipes as their authors tell them, through PostgREST straight and through the gateway."""

import json
from collections.abc import Iterator

import pytest
from harness.relay.deadlines import wait_until
from harness.site.client import Field, ask
from harness.site.gateways import StartGateway
from harness.site.roads import AUTH, SECRET, Roads, bearer, cookie, cookies_of, post, roads

from app.devstack import DevStack


@pytest.fixture(scope="module")
def by_cookies(stack: DevStack, start_gateway: StartGateway) -> Iterator[Roads]:
    settings = {
        "auth_functions": "refresh_tokens",
        "refresh_function": "refresh_tokens",
        "account_functions": "none",
        "password_functions": "none",
        "call_limit_address": "100/minute",
    }
    with roads(stack, start_gateway, "token_cookies", ("api", "auth"), **settings) as own:
        yield own


@pytest.fixture(scope="module")
def by_json(stack: DevStack, start_gateway: StartGateway) -> Iterator[Roads]:
    settings = {
        "auth_functions": "login,register_user,refresh_token",
        "password_functions": "login",
        "account_argument": "email",
    }
    with roads(stack, start_gateway, "json_tokens", ("public", "auth"), **settings) as own:
        post(own.straight, "/rpc/register_user", {"email": "demo@b.c", "password": "right"}, AUTH)
        yield own


@pytest.fixture(scope="module")
def by_type(stack: DevStack, start_gateway: StartGateway) -> Iterator[Roads]:
    settings = {"auth_schema": "api", "auth_functions": "login", "account_argument": "email"}
    with roads(stack, start_gateway, "typed_tokens", ("api",), **settings) as own:
        yield own


class TestTokensInCookies:
    """A refresh function of another name, and no password anywhere."""

    @pytest.fixture
    def refresh(self, by_cookies: Roads) -> str:
        """The refresh cookie that the service has got for somebody."""
        service = by_cookies.database.fetch("select auth.generate_user_jwt('service', $1)", SECRET)[0][0]
        issued = post(by_cookies.straight, "/rpc/issue_tokens", {"subject": "demo"}, AUTH, bearer(service))
        assert issued.status == 204
        return cookies_of(issued)["refresh_token"]

    def test_a_refresh_cookie_becomes_an_access_token_that_reads(
        self, by_cookies: Roads, refresh: str
    ) -> None:
        for url, rpc in by_cookies:
            answer = post(url, f"{rpc}refresh_tokens", {}, AUTH, cookie(refresh_token=refresh))
            assert answer.status == 204
            token = cookies_of(answer)["access_token"]
            for reader, target in ((by_cookies.straight, "/note"), (by_cookies.gateway.url, "/rest/note")):
                assert ask(reader, "GET", target, [bearer(token)]).body == b'[{"body":"private"}]'

    def test_a_bad_refresh_cookie_is_refused_in_the_functions_own_words(self, by_cookies: Roads) -> None:
        replies = [
            post(url, f"{rpc}refresh_tokens", {}, AUTH, cookie(refresh_token="stolen"))
            for url, rpc in by_cookies
        ]
        assert {(reply.status, reply.body) for reply in replies} == {(401, replies[0].body)}
        assert b"Invalid or expired refresh token" in replies[0].body

    def test_a_session_is_renewed_inside_a_request(self, by_cookies: Roads, refresh: str) -> None:
        answer = ask(by_cookies.gateway.url, "GET", "/rest/note", [cookie(refresh_token=refresh)])
        assert (answer.status, answer.body) == (200, b'[{"body":"private"}]')
        assert cookies_of(answer)["access_token"]

    def test_a_refresh_is_no_sign_in(self, by_cookies: Roads, refresh: str) -> None:
        """Counted as a call: 100 a minute here, and not the 60 of sign-ins."""
        for _ in range(70):
            reply = post(by_cookies.gateway.url, "/rpc/refresh_tokens", {}, cookie(refresh_token=refresh))
            assert reply.status == 204
        assert 'gateway_sign_ins_total{result="signed_in"} 0.0' in by_cookies.metrics()

    def test_a_function_that_is_not_listed_renews_and_has_no_path(
        self, by_cookies: Roads, refresh: str, start_gateway: StartGateway
    ) -> None:
        with start_gateway(by_cookies.environ, auth_functions="none") as gateway:
            assert ask(gateway.url, "GET", "/rest/note", [cookie(refresh_token=refresh)]).status == 200
            assert post(gateway.url, "/rpc/refresh_tokens", {}).status == 401


class TestTokensInJson:
    """Everything is 200, and the token is in the body."""

    def test_who_registers_can_sign_in_and_read(self, by_json: Roads) -> None:
        for number, (url, rpc) in enumerate(by_json):
            user = {"email": f"u{number}@b.c", "password": "securepassword123"}
            assert post(url, f"{rpc}register_user", user, AUTH).status == 200
            again = post(url, f"{rpc}register_user", user, AUTH)
            assert (again.status, json.loads(again.body)) == (200, {"error": "Email already exists"})
            reply = post(url, f"{rpc}login", user, AUTH)
            assert ("access_token" in cookies_of(reply)) is (url != by_json.straight)
            token = json.loads(reply.body)["token"]
            for reader, target in (
                (by_json.straight, "/participant"),
                (by_json.gateway.url, "/rest/participant"),
            ):
                answer = ask(reader, "GET", target, [bearer(token)])
                assert (answer.status, answer.body) == (200, b'[{"body":"private"}]')
            who = post(url, f"{rpc}current_user", {}, AUTH, bearer(token))
            assert json.loads(who.body) == {"email": f"u{number}@b.c"}

    def test_a_refresh_token_is_an_argument(self, by_json: Roads) -> None:
        session = str(by_json.database.fetch("select id from auth.sessions limit 1")[0][0])
        for url, rpc in by_json:
            renewed = post(url, f"{rpc}refresh_token", {"refresh_token": session}, AUTH)
            token = json.loads(renewed.body)["token"]
            assert ask(by_json.gateway.url, "GET", "/rest/participant", [bearer(token)]).status == 200
            refused = post(
                url,
                f"{rpc}refresh_token",
                {"refresh_token": session.translate({ord(c): "0" for c in "123456789abcdef"})},
                AUTH,
            )
            assert json.loads(refused.body) == {"error": "Invalid or expired refresh token"}

    def test_a_refresh_cookie_that_no_function_takes_is_a_bad_token(self, by_json: Roads) -> None:
        held = cookie(refresh_token="7b7e4d0e-1b1c-4a3b-9d43-7c1f0b6a5f00")
        for _ in range(20):
            answer = ask(by_json.gateway.url, "GET", "/rest/participant", [held])
            assert (answer.status, json.loads(answer.body)["code"]) == (401, "GW200")
        wait_until(lambda: "refresh_unusable" in by_json.gateway.output, "the warning")
        assert by_json.gateway.output.count("refresh_unusable") == 1


class TestTypedTokens:
    """The schema of the API has the login, and functions that are called as Postgate's are."""

    def test_who_signs_in_can_read(self, by_type: Roads) -> None:
        for url, rpc in by_type:
            reply = post(url, f"{rpc}login", {"email": "a@b.c", "pass": "right"})
            assert (reply.status, list(json.loads(reply.body))) == (200, ["token"])
            token = json.loads(reply.body)["token"]
            for reader, target in ((by_type.straight, "/note"), (by_type.gateway.url, "/rest/note")):
                assert ask(reader, "GET", target, [bearer(token)]).body == b'[{"body":"private"}]'

    def test_a_wrong_password_is_refused_in_the_functions_own_words(self, by_type: Roads) -> None:
        replies = [post(url, f"{rpc}login", {"email": "x@b.c", "pass": "wrong"}) for url, rpc in by_type]
        assert {(reply.status, reply.body) for reply in replies} == {(403, replies[0].body)}
        assert json.loads(replies[0].body)["message"] == "invalid user or password"

    @pytest.mark.parametrize("profile", [[], [("Content-Profile", "api")]], ids=["no profile", "the schema"])
    @pytest.mark.parametrize("function", ["change_password", "sessions"])
    def test_a_function_of_the_api_keeps_its_caller(
        self, by_type: Roads, function: str, profile: list[Field]
    ) -> None:
        body = {"old": "a", "new": "b"} if function == "change_password" else {}
        token = json.loads(post(by_type.straight, "/rpc/login", {"email": "a@b.c", "pass": "right"}).body)[
            "token"
        ]
        replies = [post(url, f"{rpc}{function}", body, bearer(token), *profile) for url, rpc in by_type]
        assert {(reply.status, reply.body) for reply in replies} == {(200, replies[0].body)}
        assert json.loads(replies[0].body)["role"] == "basic_subscriber"


@pytest.mark.parametrize(
    ("recipe", "settings", "member"),
    [
        ("json_tokens", {"auth_functions": "login"}, "password"),
        ("typed_tokens", {"auth_functions": "login", "auth_schema": "api"}, "pass"),
    ],
)
def test_right_passwords_lock_nobody_out_and_wrong_ones_do(
    stack: DevStack, start_gateway: StartGateway, recipe: str, settings: dict[str, str], member: str
) -> None:
    schemas = ("api",) if recipe == "typed_tokens" else ("public", "auth")
    with roads(stack, start_gateway, recipe, schemas, account_argument="email", **settings) as own:
        if recipe == "json_tokens":
            post(own.straight, "/rpc/register_user", {"email": "a@b.c", "password": "right"}, AUTH)

        def statuses(password: str, count: int) -> list[int]:
            body = {"email": "a@b.c", member: password}
            return [post(own.gateway.url, "/rpc/login", body).status for _ in range(count)]

        assert statuses("right", 20) == [200] * 20
        assert 'gateway_sign_ins_total{result="signed_in"} 20.0' in own.metrics()
        assert 'gateway_sign_ins_total{result="rejected"} 0.0' in own.metrics()
        wrong = statuses("wrong", 4)
        assert set(wrong) <= {200, 403}
        assert statuses("right", 1) == [200], "and it clears the count"
        assert 429 not in statuses("wrong", 5)
        assert statuses("right", 1) == [429]
        assert 'gateway_sign_ins_total{result="rejected"} 9.0' in own.metrics()
