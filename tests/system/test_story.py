"""The way of a user from sign-in to sign-out, with the real curl, as a browser or a script would go it."""

import json
from pathlib import Path

import pytest
from harness.site.curl import Curl, CurlAnswer
from harness.site.site import Site

JSON = ("-H", "Content-Type: application/json")
PROFILE = ("-H", "Content-Profile: auth")
DEMO = ("-d", '{"user_":"demo","pass":"demo"}')
SESSION_PATHS = ("/", "/rpc", "/rpc/refresh_token")


def cookie(answer: CurlAnswer, name: str) -> set[str]:
    """The parts of the one cookie of that name, without its value."""
    found = [value.split("; ") for value in answer.set_cookies if value.startswith(f"{name}=")]
    assert len(found) == 1
    return set(found[0][1:])


def changed(text: str, place: int) -> str:
    """The text with another letter at one place."""
    return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]


class TestSigningIn:
    def test_login_gives_no_content_and_two_cookies_out_of_reach_of_scripts(self, curl: Curl) -> None:
        answer = curl("/rpc/login", *PROFILE, *JSON, *DEMO)
        assert (answer.status, answer.body) == (204, b"")
        assert cookie(answer, "access_token") == {"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"}
        assert cookie(answer, "refresh_token") == {"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=2592000"}
        assert answer.value("cache-control") == "no-store"
        assert set(curl.jar) == {"access_token", "refresh_token"}

    def test_with_the_cookie_one_sees_ones_own_rows_and_no_others(self, signed_in: Curl, other: Curl) -> None:
        assert other("/rpc/login", *JSON, "-d", '{"user_":"alice","pass":"alice"}').status == 204
        assert {row["owner"] for row in json.loads(signed_in("/rest/task").body)} == {"demo"}
        assert {row["owner"] for row in json.loads(other("/rest/task").body)} == {"alice"}

    @pytest.mark.parametrize("path", ["/rpc/login", "/rest/rpc/login"])
    def test_login_under_either_path_and_without_a_profile(self, curl: Curl, path: str) -> None:
        assert curl(path, *JSON, *DEMO).status == 204
        assert curl("/rest/task").status == 200

    @pytest.mark.parametrize(
        "body",
        ['{"user_":"demo","pass":"wrong"}', '{"user_":"nobody","pass":"demo"}', '{"user_":null,"pass":null}'],
    )
    def test_wrong_credentials_are_all_refused_in_the_same_words(self, curl: Curl, body: str) -> None:
        answer = curl("/rpc/login", *PROFILE, *JSON, "-d", body)
        assert answer.refusal == (401, "PT401")
        assert json.loads(answer.body)["message"] == "Invalid user or password"
        assert not curl.jar


class TestRefused:
    def test_no_credential(self, curl: Curl) -> None:
        assert curl("/rest/task").refusal == (401, "GW200")

    def test_tampered_token(self, signed_in: Curl, other: Curl) -> None:
        head, payload, signature = signed_in.jar["access_token"].split(".")
        token = f"{head}.{changed(payload, len(payload) - 2)}.{signature}"
        assert other("/rest/task", "-b", f"access_token={token}").refusal == (401, "GW201")

    def test_tampered_signature(self, signed_in: Curl, other: Curl) -> None:
        token = signed_in.jar["access_token"]
        token = changed(token, token.rindex(".") + 5)
        assert other("/rest/task", "-b", f"access_token={token}").refusal == (401, "GW201")

    @pytest.mark.parametrize("header", ["Cookie: access_token=", "Authorization: Bearer "])
    def test_expired_token(self, curl: Curl, site: Site, header: str) -> None:
        code = "GW205" if header.startswith("Authorization") else "GW201"
        assert curl("/rest/task", "-H", header + site.token(seconds=-1)).refusal == (401, code)

    def test_a_write_needs_a_session_as_well(self, curl: Curl, site: Site) -> None:
        before = site.database.fetch("select count(*) from api.task")
        assert curl("/rest/task", *JSON, "-d", '{"title":"not mine"}').refusal == (401, "GW200")
        assert site.database.fetch("select count(*) from api.task") == before


class TestRenewal:
    def test_refresh_gives_new_tokens_for_the_session(self, signed_in: Curl) -> None:
        before = signed_in.jar["refresh_token"]
        answer = signed_in("/rpc/refresh_token", *PROFILE, "-X", "POST")
        assert (answer.status, answer.body) == (204, b"")
        assert cookie(answer, "access_token") == {"Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600"}
        assert signed_in.jar["refresh_token"] != before
        assert signed_in("/rest/task").status == 200

    def test_the_refresh_token_alone_is_enough(self, signed_in: Curl, other: Curl) -> None:
        header = f"Cookie: refresh_token={signed_in.jar['refresh_token']}"
        assert other("/rest/rpc/refresh_token", "-X", "POST", "-H", header).status == 204
        assert {row["owner"] for row in json.loads(other("/rest/task").body)} == {"demo"}

    @pytest.mark.parametrize(
        "header", [(), ("-H", "Cookie: refresh_token=" + "x" * 43)], ids=["none", "unknown"]
    )
    def test_without_a_good_one_it_is_refused(self, curl: Curl, header: tuple[str, ...]) -> None:
        assert curl("/rpc/refresh_token", *PROFILE, "-X", "POST", *header).refusal == (401, "PT401")


class TestSigningOut:
    def test_logout_clears_both_cookies_on_every_path(self, signed_in: Curl) -> None:
        answer = signed_in("/rpc/logout", *PROFILE, "-X", "POST")
        assert (answer.status, answer.body) == (204, b"")
        cleared = {
            (value.partition("=")[0], part.removeprefix("Path="))
            for value in answer.set_cookies
            for part in value.split("; ")
            if part.startswith("Path=") and "Max-Age=0" in value
        }
        names = ("access_token", "refresh_token")
        assert cleared == {
            *((name, path) for name in names for path in SESSION_PATHS),
            *((f"__Host-{name}", "/") for name in names),
        }
        assert not signed_in.jar
        assert signed_in("/rest/task").status == 401

    def test_logout_alone_makes_the_browser_forget_the_pages_it_keeps(self, signed_in: Curl) -> None:
        assert signed_in("/rest/task").values("clear-site-data") == []
        assert signed_in("/rpc/refresh_token", "-X", "POST").values("clear-site-data") == []
        assert signed_in("/rpc/logout", "-X", "POST").values("clear-site-data") == ['"cache"']

    def test_logout_clears_what_an_older_recipe_set(self, signed_in: Curl) -> None:
        signed_in.keep("refresh_token=old; Path=/rpc/refresh_token; HttpOnly;")
        assert signed_in("/rpc/logout", "-X", "POST").status == 204
        assert not signed_in.jar

    def test_the_session_is_over_and_not_only_forgotten(self, signed_in: Curl) -> None:
        header = f"Cookie: refresh_token={signed_in.jar['refresh_token']}"
        assert signed_in("/rpc/logout", "-X", "POST").status == 204
        assert signed_in("/rpc/refresh_token", "-X", "POST", "-H", header).status == 401

    def test_logout_without_a_session_succeeds(self, curl: Curl) -> None:
        assert curl("/rpc/logout", "-X", "POST").status == 204


class TestOtherWays:
    def test_a_bearer_token_alone_works(self, curl: Curl, site: Site) -> None:
        answer = curl("/rest/task", "-H", f"Authorization: Bearer {site.token(sub='alice')}")
        assert {row["owner"] for row in json.loads(answer.body)} == {"alice"}

    def test_a_bearer_token_of_another_origin_may_write(self, curl: Curl, site: Site) -> None:
        # It is no cookie: no page can make a browser send it
        bearer = (
            "-H",
            f"Authorization: Bearer {site.token(sub='script')}",
            "-H",
            "Origin: https://other.example",
        )
        assert curl("/rest/task", *JSON, "-d", '{"title":"by script"}', *bearer).status == 201
        assert curl("/rest/task?title=eq.by%20script", "-X", "DELETE", *bearer).status == 204

    def test_the_openapi_document_is_there_without_a_session(self, curl: Curl) -> None:
        answer = curl("/rest/")
        assert answer.status == 200
        assert answer.value("content-type") == "application/openapi+json; charset=utf-8"
        paths = set(json.loads(answer.body)["paths"])
        assert "/notice" in paths
        assert "/task" not in paths
        assert curl("/rest/", "-I").status == 200

    def test_a_session_sees_the_document_of_its_own_role(self, signed_in: Curl) -> None:
        assert "/task" in json.loads(signed_in("/rest/").body)["paths"]

    @pytest.mark.parametrize("prefix", ["/rpc", "/rest/rpc"])
    def test_functions_answer_under_both_paths(self, signed_in: Curl, prefix: str) -> None:
        assert signed_in(f"{prefix}/add?a=1&b=2").body == b"3"
        assert json.loads(signed_in(f"{prefix}/whoami", "-X", "POST").body)["username"] == "demo"


def test_somebodys_own_functions_in_another_schema_sign_in_and_out(recipe: Site, tmp_path: Path) -> None:
    curl = Curl(recipe.url, tmp_path)
    right = '{"email":"ann@example.org","password":"correct horse","remember":true}'
    answer = curl("/rpc/sign_in", *JSON, "-d", right)
    assert (answer.status, json.loads(answer.body)) == (200, {"email": "ann@example.org", "remember": True})
    assert answer.value("x-welcome") == "back"
    assert set(curl.jar) == {"access_token", "refresh_token"}
    assert json.loads(curl("/rpc/whoami").body)["username"] == "ann@example.org"

    wrong = curl("/rpc/sign_in", *JSON, "-d", right.replace("correct", "wrong"))
    assert wrong.refusal == (401, "PT401")
    assert json.loads(wrong.body)["hint"] == "Try again"
    missing = curl("/rpc/sign_in", *JSON, "-d", '{"user_":"ann@example.org"}')
    assert (missing.status, json.loads(missing.body)["code"]) == (404, "PGRST202")

    assert curl("/rpc/sign_out", "-X", "POST").status == 204
    assert not curl.jar
    assert curl("/rpc/whoami").status == 401
