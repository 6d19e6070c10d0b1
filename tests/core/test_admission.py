"""Admission: which lane a request head gets, and who is let into it."""

import pytest

from app.core.http.routing import AuthFunction, Route
from app.core.requests import Options
from app.errors import (
    CookieAmbiguous,
    CredentialMissing,
    GatewayError,
    MethodNotAllowed,
    OriginDenied,
    RouteUnknown,
    TargetInvalid,
    TokenRejected,
)

from .builders import REST, RPC, decide, gateway, open_gateway, refusal, router, session


@pytest.mark.parametrize(
    "line", ["POST /rpc/login", "POST /rest/rpc/login", "POST /rpc/login?x=1", "POST /rpc/logout"]
)
@pytest.mark.parametrize("field", ["Accept: */*", "Content-Profile: auth"])
def test_an_auth_function_is_the_app_lanes_without_any_credential(line: str, field: str) -> None:
    found = decide(line, field)
    assert isinstance(found.lane, AuthFunction)
    assert (found.token, found.head) == (None, b"")


@pytest.mark.parametrize("field", ["Authorization: Bearer stale", "Cookie: access_token=stale"])
def test_a_stale_credential_never_blocks_an_auth_function(field: str) -> None:
    assert isinstance(decide("POST /rpc/refresh_token", field).lane, AuthFunction)


@pytest.mark.parametrize("name", ["login", "logout", "refresh_token"])
@pytest.mark.parametrize(
    "cookie",
    [
        "refresh_token=a; refresh_token=b",
        "access_token=a; access_token=b",
        "refresh_token=a; access_token=x; refresh_token=",
    ],
)
def test_two_sessions_call_no_function_and_are_cleared(name: str, cookie: str) -> None:
    refused = refusal(CookieAmbiguous, f"POST /rpc/{name}", f"Cookie: {cookie}")
    cleared = [value for field, value in refused.headers if field == b"Set-Cookie"]
    assert {value.partition(b"=")[0] for value in cleared} == {b"access_token", b"refresh_token"}
    assert all(b"Max-Age=0" in value for value in cleared)
    refusal(CookieAmbiguous, f"POST /rest/rpc/{name}", *(f"Cookie: {crumb}" for crumb in cookie.split("; ")))


def test_one_session_that_is_sent_twice_is_one() -> None:
    assert isinstance(
        decide("POST /rpc/logout", "Cookie: refresh_token=a; refresh_token=a").lane, AuthFunction
    )


def test_another_sites_page_cannot_have_cookies_cleared() -> None:
    refusal(
        OriginDenied,
        "POST /rpc/logout",
        "Cookie: refresh_token=a; refresh_token=b",
        "Origin: https://evil.test",
    )


@pytest.mark.parametrize("path", ["/rpc/%6cogin", "/rest/rpc/log%69n", "/rest/%72pc/login"])
@pytest.mark.parametrize("method", ["POST", "GET", "PUT", "OPTIONS"])
def test_an_escaped_spelling_of_an_auth_function_is_nobodys(method: str, path: str) -> None:  # A19
    line = f"{method} {path}"
    refusal(CredentialMissing, line)
    refusal(TargetInvalid, line, session())
    refusal(TargetInvalid, line, gate=open_gateway())
    for profile in ("auth", " auth\t"):
        refusal(TargetInvalid, line, session(), f"Content-Profile: {profile}")
    assert isinstance(decide("POST /rpc/%6cogin", session(), "Content-Profile: api").lane, Route)


ACCOUNT = gateway(router=router(account_functions=["change_password"]))


@pytest.mark.parametrize("path", ["/rpc/change_password", "/rest/rpc/change_password"])
def test_an_account_function_is_the_apis_own_unless_the_auth_schema_is_named(path: str) -> None:
    named = decide(f"POST {path}", session(), "Content-Profile: auth", gate=ACCOUNT)
    assert isinstance(named.lane, AuthFunction)
    for fields in ([], ["Content-Profile: api"], ["Accept-Profile: auth"]):
        assert isinstance(decide(f"POST {path}", session(), *fields, gate=ACCOUNT).lane, Route)


def test_an_account_function_has_no_second_spelling_either() -> None:
    line = "POST /rpc/change%5fpassword"
    refusal(TargetInvalid, line, session(), "Content-Profile: auth", gate=ACCOUNT)
    assert isinstance(decide(line, session(), gate=ACCOUNT).lane, Route)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_reading_an_account_function_is_no_way_around_its_limits(method: str) -> None:
    """PostgREST calls it for GET too, by Accept-Profile."""
    line = f"{method} /rpc/change_password?old=x"
    refusal(MethodNotAllowed, line, session(), "Accept-Profile: auth", gate=ACCOUNT)
    for field in ("Accept-Profile: api", "Content-Profile: auth", "Accept: */*"):
        assert isinstance(decide(line, session(), field, gate=ACCOUNT).lane, Route)


@pytest.mark.parametrize("profile", ["api", "Auth", "auth ,api", ""])
def test_another_profile_makes_it_an_ordinary_private_call(profile: str) -> None:
    refusal(CredentialMissing, "POST /rpc/login", f"Content-Profile: {profile}")
    found = decide("POST /rpc/login", f"Content-Profile: {profile}", session())
    assert found.lane == RPC
    assert b"\r\ncontent-profile: %b\r\n" % profile.encode() in found.head


def test_the_profile_that_was_decided_by_is_the_one_that_is_sent() -> None:
    found = decide("POST /rpc/login", "Connection: content-profile", "Content-Profile: api", session())
    assert found.lane == RPC
    assert found.head.count(b"content-profile: api\r\n") == 1


def test_a_private_request_is_relayed_on_its_route() -> None:
    assert decide("GET /rest/items", session()).lane == REST
    assert decide("POST /rpc/get_secret", session()).lane == RPC
    assert decide("POST /rest/", session()).lane == REST


def test_a_preflight_of_a_trusted_origin_is_answered_without_a_session() -> None:
    found = decide("OPTIONS /rest/items", "Origin: https://app.test", "Access-Control-Request-Method: DELETE")
    assert isinstance(found.lane, Options)
    assert dict(found.lane.headers)[b"Access-Control-Allow-Origin"] == b"https://app.test"
    assert (found.origin, found.head) == (b"https://app.test", b"")


@pytest.mark.parametrize("path", ["/rest/secret", "/rpc/login", "/nowhere"])
def test_a_preflight_of_a_foreign_origin_is_denied_everywhere(path: str) -> None:  # A59
    refusal(
        OriginDenied, f"OPTIONS {path}", "Origin: https://evil.test", "Access-Control-Request-Method: DELETE"
    )


@pytest.mark.parametrize(
    "fields", [(), ("Origin: https://app.test",), ("Access-Control-Request-Method: GET",)]
)
def test_options_that_is_no_preflight_is_as_private_as_the_rest(fields: tuple[str, ...]) -> None:  # A58
    refusal(CredentialMissing, "OPTIONS /rest/secret", *fields)
    assert decide("OPTIONS /rest/secret", *fields, session()).lane == REST


def test_options_on_an_auth_function_says_what_it_takes() -> None:
    assert decide("OPTIONS /rpc/login").lane == Options([(b"Allow", b"POST, OPTIONS")])


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_openapi_document_is_open(method: str) -> None:
    found = decide(f"{method} /rest/")
    assert isinstance(found.lane, Route)
    assert (found.lane.name, found.token) == ("rest-openapi", None)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("GET /rest/../rpc/get_secret", TargetInvalid),
        ("GET //rpc/login", TargetInvalid),
        ("GET @127.0.0.1:18470/x", TargetInvalid),
        ("OPTIONS *", TargetInvalid),
        ("GET /rest/secret#/rpc/login", TargetInvalid),
        ("GET /rest", CredentialMissing),  # A11
        ("GET /restricted", CredentialMissing),  # A12
        ("GET /rest/rpc/get_secret", CredentialMissing),  # A17
        ("POST /rpc/%6cogin", CredentialMissing),  # A19
        ("GET /rpc/login.json", CredentialMissing),  # A21
        ("POST /rpc/login_as_admin", CredentialMissing),  # A22
        ("POST /rpc/x/rpc/login", CredentialMissing),  # A23
        ("GET /rest/secret%23/rpc/login", CredentialMissing),  # A28
        ("GET /rest/secret?/rpc/login", CredentialMissing),  # A31
        ("GET /rest/items?access_token=x", CredentialMissing),  # E22
        ("POST /rest/", CredentialMissing),  # A34
        ("HEAD /rest/secret", CredentialMissing),  # A58
        ("TRACE /rest/secret", MethodNotAllowed),  # A60
        ("CONNECT /rest/secret", MethodNotAllowed),  # A61
        ("GET /rpc/login", MethodNotAllowed),  # F22
        ("PUT /rest/rpc/logout", MethodNotAllowed),
    ],
)
def test_a_stranger_is_refused(line: str, error: type[GatewayError]) -> None:
    refusal(error, line)


@pytest.mark.parametrize(
    "field",
    [
        "X-Forwarded-Uri: /rpc/login",  # A54
        "X-Original-URL: /rpc/login",
        "X-Rewrite-URL: /rpc/login",
        "X-Forwarded-Prefix: /rpc/login",  # A55
        "X-HTTP-Method-Override: POST",
        "User-Agent: kube-probe/1.29",  # A57
        "Connection: cookie",
        "Referer: https://gw.test/rpc/login",
    ],
)
def test_no_field_makes_a_private_path_public(field: str) -> None:
    refusal(CredentialMissing, "GET /rest/secret", field)


def test_an_unknown_path_is_told_only_to_those_who_are_signed_in() -> None:
    refusal(CredentialMissing, "GET /nowhere")
    refusal(TokenRejected, "GET /nowhere", session("x.y.z"))
    refusal(RouteUnknown, "GET /nowhere", session())
    refusal(RouteUnknown, "GET /rest", session())
