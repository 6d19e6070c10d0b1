"""A session whose access cookie is spent is renewed inside the request, and nobody notices."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from harness.site.client import ask
from harness.site.curl import Curl
from harness.site.gateways import StartGateway
from harness.site.roads import cookie
from harness.site.site import Site

JSON = ("-H", "Content-Type: application/json")
CROSS_SITE = ("-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site")

Spend = Callable[[Curl], Curl]


@pytest.fixture(scope="module")
def lonely(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    with start_gateway(site.environ, ready=False, postgrest_url="http://127.0.0.1:1") as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture(scope="module")
def plain(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    with start_gateway(site.environ, renewal="false") as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture(scope="module")
def open_site(site: Site, start_gateway: StartGateway) -> Iterator[Site]:
    with start_gateway(site.environ, anonymous="allow") as gateway:
        yield replace(site, gateway=gateway)


@pytest.fixture(params=["expired", "missing"])
def spend(request: pytest.FixtureRequest, site: Site) -> Spend:
    """Makes a visitor's access cookie one that is spent: browsers drop it at its age, others send it on."""

    def expire(curl: Curl) -> Curl:
        if request.param == "missing":
            curl.keep("access_token=; Path=/; Max-Age=0")
        else:
            curl.keep(f"access_token={site.token(seconds=-1)}; Path=/")
        return curl

    return expire


def rotations(site: Site, curl: Curl) -> int:
    """How many tokens the session of this visitor has spent."""
    (row,) = site.database.fetch(
        "select count(*) filter (where replaced_at is not null) from auth.refresh_token where family ="
        " (select family from auth.refresh_token where digest = auth_private.token_digest($1))",
        curl.jar["refresh_token"],
    )
    return int(row[0])


def test_a_spent_session_goes_on_with_new_cookies(signed_in: Curl, spend: Spend) -> None:
    before = spend(signed_in).jar["refresh_token"]
    answer = signed_in("/rest/task")
    assert answer.status == 200
    assert {row["owner"] for row in json.loads(answer.body)} == {"demo"}
    assert signed_in.jar["refresh_token"] != before
    assert all("HttpOnly" in cookie and "SameSite=Lax" in cookie for cookie in answer.set_cookies)
    again = signed_in("/rest/task")
    assert (again.status, again.set_cookies) == (200, [])


@pytest.mark.parametrize(
    "request_",
    [
        ("/rest/task", "-H", "Content-Type: text/csv", "-d", "title\nby CSV"),
        ("/rpc/length_of", "-F", "body=x"),
        ("/rest/task", "-H", "Accept: application/geo+json"),
    ],
    ids=["CSV", "a form with parts", "a map"],
)
def test_what_a_request_brings_and_wants_is_between_it_and_postgrest(
    signed_in: Curl, spend: Spend, request_: tuple[str, ...]
) -> None:
    status = signed_in(*request_).status
    answer = spend(signed_in)(*request_)
    assert (answer.status, len(answer.set_cookies)) == (status, 2)
    again = signed_in("/rest/task")
    assert (again.status, again.set_cookies) == (200, [])


def test_an_answer_with_a_session_is_for_no_cache(signed_in: Curl, spend: Spend) -> None:
    answer = spend(signed_in)("/rest/task")
    assert answer.values("cache-control") == ["no-store"]
    assert "Cookie" in answer.values("vary")


@pytest.mark.parametrize("expect", [(), ("-H", "Expect: 100-continue")], ids=["body at once", "on demand"])
def test_a_write_goes_on_with_its_whole_body(
    signed_in: Curl, spend: Spend, tmp_path: Path, expect: tuple[str, ...]
) -> None:
    (tmp_path / "body.json").write_text(json.dumps({"body": "x" * 500_000}))
    spend(signed_in)
    answer = signed_in("/rpc/length_of", *JSON, "--data-binary", f"@{tmp_path}/body.json", *expect)
    assert (answer.status, answer.body) == (200, b"500000")
    assert len(answer.set_cookies) == 2


def test_another_sites_write_renews_nothing(site: Site, signed_in: Curl, spend: Spend) -> None:
    spend(signed_in)
    assert signed_in("/rest/task", *JSON, *CROSS_SITE, "-d", '{"title":"forged"}').refusal == (403, "GW104")
    assert rotations(site, signed_in) == 0


def test_ten_tabs_that_wake_up_at_once_all_go_on(site: Site, signed_in: Curl, spend: Spend) -> None:
    cookies = cookie(**spend(signed_in).jar)
    with ThreadPoolExecutor(10) as tabs:
        answers = list(tabs.map(lambda _: ask(site.url, "GET", "/rest/task", [cookies]), range(10)))
    assert [answer.status for answer in answers] == [200] * 10
    assert (
        len(
            {
                value
                for answer in answers
                for value in answer.head.values(b"set-cookie")
                if b"refresh" in value
            }
        )
        == 1
    )
    assert rotations(site, signed_in) == 1


def test_a_session_that_is_over_is_refused_and_leaves_the_cookies_alone(
    signed_in: Curl, other: Curl, spend: Spend
) -> None:
    """They are not cleared: another tab may have signed in anew while this answer was on its way."""
    spend(signed_in)
    cookies = "; ".join(f"{name}={value}" for name, value in signed_in.jar.items())
    assert signed_in("/rpc/logout", "-X", "POST").status == 204
    for _ in range(2):
        answer = other("/rest/task", "-H", f"Cookie: {cookies}")
        assert answer.refusal[0] == 401


def test_two_different_refresh_cookies_choose_no_session(signed_in: Curl, other: Curl) -> None:
    token = signed_in.jar["refresh_token"]
    cookie = f"Cookie: refresh_token={token}; refresh_token={'x' * 43}"
    answer = other("/rest/task", "-H", cookie)
    assert (answer.status, json.loads(answer.body)["code"]) == (401, "GW202")
    assert answer.set_cookies, "both are cleared"


def test_a_bearer_token_is_never_replaced(site: Site, signed_in: Curl, other: Curl) -> None:
    cookie = f"Cookie: refresh_token={signed_in.jar['refresh_token']}"
    bearer = f"Authorization: Bearer {site.token(seconds=-1)}"
    assert other("/rest/task", "-H", cookie, "-H", bearer).refusal == (401, "GW205")
    assert rotations(site, signed_in) == 0


def test_a_path_that_leads_nowhere_renews_nothing(site: Site, signed_in: Curl, spend: Spend) -> None:
    assert spend(signed_in)("/nowhere").refusal[0] == 401
    assert rotations(site, signed_in) == 0


class TestWithoutPostgrest:
    def test_the_new_cookies_come_even_with_an_error(
        self, lonely: Site, signed_in: Curl, spend: Spend, tmp_path: Path
    ) -> None:
        """Or the session would be lost: the token that was sent is spent."""
        jar = spend(signed_in).jar
        cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
        answer = Curl(lonely.url, tmp_path / "lonely")("/rest/task", "-H", f"Cookie: {cookies}")
        assert answer.status == 502
        assert {cookie.partition("=")[0] for cookie in answer.set_cookies} == {
            "access_token",
            "refresh_token",
        }


class TestSwitchedOff:
    def test_a_spent_session_is_refused_until_it_is_refreshed(
        self, plain: Site, tmp_path: Path, spend: Spend
    ) -> None:
        curl = Curl(plain.url, tmp_path / "plain")
        assert curl("/rpc/login", *JSON, "-d", '{"user_":"demo","pass":"demo"}').status == 204
        assert spend(curl)("/rest/task").refusal[0] == 401
        assert curl("/rpc/refresh_token", "-X", "POST").status == 204
        assert curl("/rest/task").status == 200


class TestWhereAnonymousIsAllowed:
    @pytest.fixture
    def over(self, open_site: Site, tmp_path: Path, spend: Spend) -> Curl:
        """A visitor whose session is over, and whose browser does not know it."""
        curl = Curl(open_site.url, tmp_path / "open")
        assert curl("/rpc/login", *JSON, "-d", '{"user_":"demo","pass":"demo"}').status == 204
        kept = spend(curl).jar
        assert curl("/rpc/logout", "-X", "POST").status == 204
        for name, value in kept.items():
            curl.keep(f"{name}={value}; Path=/")
        return curl

    def test_a_live_session_is_renewed_and_not_taken_for_nobody(
        self, open_site: Site, tmp_path: Path, spend: Spend
    ) -> None:
        curl = Curl(open_site.url, tmp_path / "open")
        assert curl("/rpc/login", *JSON, "-d", '{"user_":"demo","pass":"demo"}').status == 204
        assert json.loads(spend(curl)("/rpc/whoami").body)["username"] == "demo"

    def test_one_that_is_over_reads_as_nobody(self, over: Curl) -> None:
        assert over("/rest/notice").status == 200

    def test_but_does_not_write_as_nobody_and_is_told_so_once(self, over: Curl) -> None:
        answer = over("/rest/task", *JSON, "-d", '{"title":"whose?"}')
        assert answer.status == 401
        assert json.loads(answer.body)["code"] == "GW201"
        assert not over.jar
