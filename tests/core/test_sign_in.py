"""Who has to sign in first is sent to the page for it, if it is a browser that navigates."""

from dataclasses import replace

import pytest

from app.core.http.routing import Policy
from app.errors import (
    CookieAmbiguous,
    CredentialMissing,
    GatewayError,
    OriginDenied,
    SignInRedirect,
    TokenRejected,
)

from .builders import NOW, REST, decide, gateway, mint, refusal, request, router

PAGE = gateway(login_url=b"/sign-in")
HTML = "Accept: text/html,application/xhtml+xml,*/*;q=0.8"
EXPIRED = f"Cookie: access_token={mint(exp=NOW - 1)}"


def location(error: GatewayError) -> str:
    (value,) = (value for name, value in error.headers if name == b"Location")
    return value.decode()


def sent(line: str, *fields: str, login_url: str = "/sign-in") -> str:
    gate = gateway(login_url=login_url.encode())
    return location(refusal(SignInRedirect, line, *(fields or (HTML,)), gate=gate))


@pytest.mark.parametrize(
    "cookie", [(), (EXPIRED,), ("Cookie: access_token=forged",)], ids=["none", "expired", "forged"]
)
def test_a_navigation_without_a_session_is_sent_there(cookie: tuple[str, ...]) -> None:
    assert sent("GET /rest/items", HTML, *cookie) == "/sign-in?next=%2Frest%2Fitems"


def test_so_is_one_that_leads_nowhere_and_is_not_told_so() -> None:
    assert sent("GET /nowhere") == "/sign-in?next=%2Fnowhere"


def test_a_browser_says_itself_whether_it_navigates() -> None:
    assert sent("GET /rest/items", "Sec-Fetch-Mode: navigate", "Accept: */*")
    for mode in ("cors", "no-cors", "same-origin", "websocket", "Navigate", ""):
        refusal(CredentialMissing, "GET /rest/items", f"Sec-Fetch-Mode: {mode}", HTML, gate=PAGE)
        refusal(CredentialMissing, "GET /rest/items", HTML, f"Sec-Fetch-Mode: {mode}", gate=PAGE)


@pytest.mark.parametrize(
    "field", ["Accept: application/json", "Accept: */*", "X-Accept: text/html", "User-Agent: Mozilla"]
)
def test_a_script_is_told_401(field: str) -> None:
    refusal(CredentialMissing, "GET /rest/items", field, gate=PAGE)
    refusal(TokenRejected, "GET /rest/items", field, EXPIRED, gate=PAGE)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_a_get_can_be_made_again_after_signing_in(method: str) -> None:
    refusal(CredentialMissing, f"{method} /rest/items", HTML, "Sec-Fetch-Mode: navigate", gate=PAGE)


def test_without_a_page_it_is_401_for_everybody() -> None:
    refusal(CredentialMissing, "GET /rest/items", HTML)


def test_where_anonymous_requests_pass_nobody_is_sent_away() -> None:
    gate = replace(PAGE, router=router(replace(REST, policy=Policy.OPTIONAL)))
    assert decide("GET /rest/items", HTML, gate=gate).token is None


def test_two_sessions_are_an_error_to_look_into_and_not_a_reason_to_sign_in_again_and_again() -> None:
    two = f"Cookie: access_token={mint()}; access_token={mint(sub='u2')}"
    refusal(CookieAmbiguous, "GET /rest/items", HTML, two, gate=PAGE)


def test_a_write_of_another_site_is_still_that() -> None:
    signed_in = f"Cookie: access_token={mint()}"
    refusal(OriginDenied, "POST /rest/items", HTML, signed_in, "Origin: https://evil.test", gate=PAGE)


@pytest.mark.parametrize(
    ("login_url", "expected"),
    [
        ("/sign-in", "/sign-in?next=%2Frest%2Fitems"),
        ("/sign-in?theme=dark", "/sign-in?theme=dark&next=%2Frest%2Fitems"),
        ("https://accounts.test/", "https://accounts.test/?next=%2Frest%2Fitems"),
    ],
)
def test_the_way_back_is_added_to_the_pages_url(login_url: str, expected: str) -> None:
    assert sent("GET /rest/items", login_url=login_url) == expected


@pytest.mark.parametrize(
    ("target", "back"),
    [
        ("/rest/items?a=b&c=d", "%2Frest%2Fitems%3Fa%3Db%26c%3Dd"),
        ("/rest/a%20b?x=%26&y=%e2%82%ac", "%2Frest%2Fa%2520b%3Fx%3D%2526%26y%3D%25e2%2582%25ac"),
        ("/rest/items?next=https://evil.test/", "%2Frest%2Fitems%3Fnext%3Dhttps%3A%2F%2Fevil.test%2F"),
        (
            "/rest/items?a=%0d%0aSet-Cookie:x",
            "%2Frest%2Fitems%3Fa%3D%250d%250aSet-Cookie%3Ax",
        ),
    ],
)
def test_the_way_back_is_one_value_whatever_is_in_it(target: str, back: str) -> None:
    assert sent(f"GET {target}") == f"/sign-in?next={back}"


@pytest.mark.parametrize(
    "target", ["//evil.test/", "/\\evil.test/", "https://evil.test/", "/%2fevil.test", "/..//evil.test"]
)
def test_a_way_back_to_another_origin_is_no_path_at_all(target: str) -> None:
    with pytest.raises(GatewayError) as refused:
        decide(f"GET {target}", HTML, gate=PAGE)
    assert refused.value.code == "GW101"


def test_a_long_way_back_is_cut_to_its_path_and_a_longer_one_left_out() -> None:
    assert sent(f"GET /rest/items?id=in.({'1,' * 500})") == "/sign-in?next=%2Frest%2Fitems"
    assert sent(f"GET /rest/{'x' * 1_000}?a=b") == "/sign-in?next=%2F"


@pytest.mark.parametrize("target", ["/sign-in", "/sign-in?next=%2F"])
def test_a_page_that_needs_a_session_itself_does_not_lead_to_itself(target: str) -> None:
    refusal(CredentialMissing, f"GET {target}", HTML, gate=gateway(login_url=b"/sign-in?theme=dark"))


def test_a_spent_session_is_renewed_first_and_sent_there_when_it_is_over() -> None:
    gate = gateway(login_url=b"/sign-in", renews=True)
    spent = request("GET /rest/items", HTML, f"{EXPIRED}; refresh_token=r-1")
    assert gate.decide(spent, NOW).refresh == b"r-1"
    assert gate.decide(spent, NOW, mint().encode()).token is not None
    with pytest.raises(SignInRedirect):
        gate.decide(spent, NOW, b"")
