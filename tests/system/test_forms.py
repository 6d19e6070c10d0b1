"""Plain HTML forms, with what a browser sends along: they work from the same origin, and from no other."""

import pytest
from harness.site.curl import Curl
from harness.site.site import Site

BROWSER = (
    "-H", "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "-H", "Sec-Fetch-Mode: navigate", "-H", "Sec-Fetch-Dest: document", "-H", "Sec-Fetch-User: ?1",
    "-H", "Upgrade-Insecure-Requests: 1",
)  # fmt: skip
FORM = ("-d", "user_=demo", "-d", "pass=demo")


def test_a_form_of_the_same_origin_signs_in(curl: Curl, site: Site) -> None:
    same = ("-H", f"Origin: {site.url}", "-H", "Sec-Fetch-Site: same-origin")
    assert curl("/rpc/login", *FORM, *BROWSER, *same).status == 204
    assert curl("/rest/task").status == 200


def test_so_does_one_in_a_browser_without_fetch_metadata(curl: Curl, site: Site) -> None:
    assert curl("/rpc/login", *FORM, "-H", f"Origin: {site.url}").status == 204


def test_a_form_of_the_same_origin_writes_with_the_session(signed_in: Curl, site: Site) -> None:
    same = ("-H", f"Origin: {site.url}", "-H", "Sec-Fetch-Site: same-origin")
    assert signed_in("/rest/task", "-d", "title=by form", *BROWSER, *same).status == 201
    assert signed_in("/rest/task?title=eq.by%20form", "-X", "DELETE").status == 204


@pytest.mark.parametrize(
    "origin",
    [
        ("-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site"),
        ("-H", "Origin: https://evil.example"),
        ("-H", "Origin: http://other.localhost", "-H", "Sec-Fetch-Site: same-site"),
        ("-H", "Origin: null", "-H", "Sec-Fetch-Site: cross-site"),
        ("-H", "Origin: null"),
        ("-H", "Sec-Fetch-Site: cross-site"),
    ],
    ids=["cross-site", "foreign", "same-site", "null", "null-alone", "no-origin"],
)
def test_a_form_of_another_origin_is_refused_and_gets_no_cookie(curl: Curl, origin: tuple[str, ...]) -> None:
    assert curl("/rpc/login", *FORM, *BROWSER, *origin).refusal == (403, "GW104")
    assert not curl.jar


@pytest.mark.parametrize("target", ["/rest/task", "/rpc/finish_task", "/rpc/logout", "/rpc/refresh_token"])
def test_no_other_page_can_act_with_the_session(signed_in: Curl, site: Site, target: str) -> None:
    before = site.database.fetch("select * from api.task order by id")
    crossed = ("-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site")
    answer = signed_in(target, "-d", "title=forged", *BROWSER, *crossed)
    assert answer.refusal == (403, "GW104")
    assert site.database.fetch("select * from api.task order by id") == before
    assert set(signed_in.jar) == {"access_token", "refresh_token"}
