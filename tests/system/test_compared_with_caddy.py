"""Where Postgate answers otherwise than Caddy with caddy-jwt did: paths, methods, and the auth functions.

docs/compared-with-caddy.md lists every difference with an id; each id stands over the test that holds it.
"""

import json
from collections import Counter
from pathlib import Path

import pytest
from harness.relay.answers import Answer
from harness.site.client import Field, ask
from harness.site.curl import Curl
from harness.site.rows import documented_rows, row, tied_rows
from harness.site.site import Site

JSON: Field = ("Content-Type", "application/json")
DEMO = b'{"user_":"demo","pass":"demo"}'
ANN = b'{"email":"ann@example.org","password":"correct horse"}'


def code(answer: Answer) -> tuple[int, str]:
    return answer.status, json.loads(answer.body)["code"]


def cookies(answer: Answer) -> list[str]:
    return [value.decode() for value in answer.head.values(b"set-cookie")]


class TestTheDocument:
    def test_every_row_is_held_by_a_test_and_every_such_test_has_its_row(self) -> None:
        assert set(tied_rows()) == set(documented_rows())

    def test_no_row_is_held_twice(self) -> None:
        assert max(Counter(tied_rows()).values()) == 1

    def test_every_row_says_what_both_do_and_why(self) -> None:
        assert documented_rows()
        for name, cells in documented_rows().items():
            assert len(cells) == 4, name
            assert all(cells), name


class TestPaths:
    @row("upper-case-path", "escaped-spelling")
    @pytest.mark.parametrize("target", ["/RPC/LOGIN", "/rpc/Login", "/rpc/%6cogin", "/rest/rpc/%6cogin"])
    def test_another_spelling_of_a_public_path_is_private(self, site: Site, target: str) -> None:
        assert code(ask(site.url, "POST", target, [JSON], DEMO)) == (401, "GW200")

    @row("double-slash", "dot-segments", "escaped-separator", "fragment")
    @pytest.mark.parametrize(
        "target",
        [
            "//rpc/login", "/rest//task", "/x/../rpc/login", "/rpc/./login", "/rest/%2e%2e/x", "/rest/.%2E/x",
            "/rest/a%2fb", "/rest/a%5cb", "/rest/a%00", "/rest/task?id=eq.1#x",
        ],
    )  # fmt: skip
    def test_a_path_that_reads_two_ways_is_refused(self, site: Site, target: str) -> None:
        signed_in = ("Cookie", f"access_token={site.token()}")
        answer = ask(site.url, "POST", target, [JSON, signed_in], DEMO)
        assert code(answer) == (400, "GW101")
        assert not cookies(answer)

    @row("raw-utf8-query")
    def test_a_target_with_bytes_that_no_target_may_hold_is_refused(self, site: Site) -> None:
        assert code(ask(site.url, "GET", "/rest/task?title=eq.ü")) == (400, "GW100")

    @row("unknown-path", "prefix-without-slash")
    @pytest.mark.parametrize("target", ["/nothing", "/rest", "/rpc", "/RPC/LOGIN", "/"])
    def test_an_unknown_path_is_not_found_once_signed_in(self, site: Site, target: str) -> None:
        signed_in = ("Cookie", f"access_token={site.token()}")
        assert code(ask(site.url, "GET", target)) == (401, "GW200")
        assert code(ask(site.url, "GET", target, [signed_in])) == (404, "GW105")


class TestMethods:
    @row("get-auth-function")
    @pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
    @pytest.mark.parametrize("name", ["login", "logout", "refresh_token"])
    def test_auth_functions_are_called_with_post_alone(self, site: Site, method: str, name: str) -> None:
        answer = ask(site.url, method, f"/rpc/{name}?user_=demo&pass=demo", [("Accept-Profile", "auth")])
        assert code(answer) == (405, "GW103")
        assert b"POST" in answer.head.value(b"allow")
        assert not cookies(answer)

    @row("trace")
    def test_trace_ends_here(self, site: Site) -> None:
        signed_in = ("Cookie", f"access_token={site.token()}")
        assert code(ask(site.url, "TRACE", "/rest/task", [signed_in])) == (405, "GW103")

    @row("unknown-method")
    def test_a_method_that_http_does_not_know_ends_here(self, site: Site) -> None:
        signed_in = ("Cookie", f"access_token={site.token()}")
        assert code(ask(site.url, "FOO", "/rest/task", [signed_in])) == (501, "GW114")


class TestAuthFunctions:
    @row("login-without-profile")
    def test_login_needs_no_profile(self, site: Site) -> None:
        assert ask(site.url, "POST", "/rpc/login", [JSON], DEMO).status == 204

    @row("login-other-profile")
    def test_login_with_another_profile_is_a_function_like_any_other(self, site: Site) -> None:
        profile = ("Content-Profile", "api")
        assert code(ask(site.url, "POST", "/rpc/login", [JSON, profile], DEMO)) == (401, "GW200")
        signed_in = ("Cookie", f"access_token={site.token()}")
        answer = ask(site.url, "POST", "/rpc/login", [JSON, profile, signed_in], DEMO)
        assert code(answer) == (404, "PGRST202")

    @row("login-under-rest")
    def test_login_under_rest_is_the_same_login(self, site: Site) -> None:
        assert len(cookies(ask(site.url, "POST", "/rest/rpc/login", [JSON], DEMO))) == 2

    @row("bearer-on-login")
    @pytest.mark.parametrize("seconds", [-3600, 3600])
    def test_a_bearer_token_neither_helps_nor_hinders_a_login(self, site: Site, seconds: int) -> None:
        bearer = ("Authorization", f"Bearer {site.token(seconds=seconds)}")
        assert ask(site.url, "POST", "/rpc/login", [JSON, bearer], DEMO).status == 204

    @row("cookie-attributes")
    @pytest.mark.parametrize(
        ("scheme", "prefix", "access_path", "refresh_path", "secure"),
        [
            ("http", "", "path=/", "path=/rpc/refresh_token", ""),
            ("https", "__Host-", "Path=/", "Path=/", "; Secure"),
        ],
    )
    def test_cookies_of_a_recipe_are_hardened(
        self, recipe: Site, *, scheme: str, prefix: str, access_path: str, refresh_path: str, secure: str
    ) -> None:
        came_by = ("X-Forwarded-Proto", scheme)  # says a proxy that is trusted
        access, refresh = cookies(ask(recipe.url, "POST", "/rpc/sign_in", [JSON, came_by], ANN))
        assert access.startswith(f"{prefix}access_token=")
        assert access.endswith(f"; {access_path}; HttpOnly; SameSite=Lax{secure}")
        assert refresh == f"{prefix}refresh_token=r; {refresh_path}; HttpOnly; SameSite=Lax{secure}"

    @row("logout-paths")
    def test_logout_of_a_recipe_clears_the_cookie_it_forgets(self, recipe: Site, tmp_path: Path) -> None:
        curl = Curl(recipe.url, tmp_path)
        curl("/rpc/sign_in", "-H", "Content-Type: application/json", "-d", ANN.decode())
        assert set(curl.jar) == {"access_token", "refresh_token"}
        curl("/rpc/sign_out", "-X", "POST")
        assert not curl.jar

    @row("database-error-detail")
    def test_what_the_database_says_of_a_value_stays_here(self, recipe: Site) -> None:
        answer = ask(recipe.url, "POST", "/rpc/enter_pin", [JSON], b'{"pin":"s3cret"}')
        assert code(answer) == (400, "22P02")
        assert b"s3cret" not in answer.body
        assert "s3cret" not in recipe.gateway.output

    @row("cross-site-login")
    def test_another_site_cannot_sign_its_visitors_in(self, site: Site) -> None:
        form = ("Content-Type", "application/x-www-form-urlencoded")
        crossed = [form, ("Origin", "https://evil.example"), ("Sec-Fetch-Site", "cross-site")]
        answer = ask(site.url, "POST", "/rpc/login", crossed, b"user_=demo&pass=demo")
        assert code(answer) == (403, "GW104")
        assert not cookies(answer)

    @row("cross-site-write")
    def test_another_site_cannot_write_with_a_session(self, site: Site) -> None:
        signed_in = ("Cookie", f"access_token={site.token()}")
        crossed = [("Content-Type", "text/plain"), ("Origin", "https://evil.example"), signed_in]
        assert code(ask(site.url, "POST", "/rpc/whoami", crossed, b"{}")) == (403, "GW104")

    @row("openapi-of-a-session")
    def test_a_session_sees_the_document_of_its_own_role(self, site: Site) -> None:
        signed_in = ("Cookie", f"access_token={site.token()}")
        assert "/task" not in json.loads(ask(site.url, "GET", "/rest/").body)["paths"]
        assert "/task" in json.loads(ask(site.url, "GET", "/rest/", [signed_in]).body)["paths"]
