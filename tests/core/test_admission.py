"""Admission: which lane a request head gets, and which of several faults is the one it is refused for."""

from collections.abc import Callable
from typing import Any

import pytest

from app.core.admission import Options
from app.core.routing import AuthFunction, Route
from app.errors import (
    CodingUnsupported,
    CredentialMissing,
    ExpectationFailed,
    GatewayError,
    HeadTooLarge,
    HostInvalid,
    MethodRefused,
    OriginDenied,
    RequestMalformed,
    RouteUnknown,
    TargetInvalid,
    TargetTooLong,
    TokenRefused,
    TooEarly,
    UpgradeRefused,
    VersionUnsupported,
)

from .builders import REST, RPC, decide, gateway, peer, session

EVIL = ("Origin: https://evil.test", "Sec-Fetch-Site: cross-site")


def refusal(error: type[GatewayError], line: str, *fields: str, **changes: Any) -> GatewayError:
    with pytest.raises(error) as refused:
        decide(line, *fields, **changes)
    assert type(refused.value) is error
    return refused.value


# Lanes


@pytest.mark.parametrize("line", ["POST /rpc/login", "POST /rest/rpc/login", "POST /rpc/login?x=1", "POST /rpc/logout"])
@pytest.mark.parametrize("field", ["Accept: */*", "Content-Profile: auth"])
def test_an_auth_function_is_the_app_lanes_without_any_credential(line: str, field: str) -> None:
    found = decide(line, field)
    assert isinstance(found.lane, AuthFunction)
    assert (found.token, found.head) == (None, b"")


@pytest.mark.parametrize("field", ["Authorization: Bearer stale", "Cookie: access_token=stale", "Cookie: access_token=a; access_token=b"])
def test_a_stale_credential_never_blocks_an_auth_function(field: str) -> None:
    assert isinstance(decide("POST /rpc/refresh_token", field).lane, AuthFunction)


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
    refusal(OriginDenied, f"OPTIONS {path}", "Origin: https://evil.test", "Access-Control-Request-Method: DELETE")


@pytest.mark.parametrize("fields", [(), ("Origin: https://app.test",), ("Access-Control-Request-Method: GET",)])
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


# Refusals


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
        ("TRACE /rest/secret", MethodRefused),  # A60
        ("CONNECT /rest/secret", MethodRefused),  # A61
        ("GET /rpc/login", MethodRefused),  # F22
        ("PUT /rest/rpc/logout", MethodRefused),
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
    refusal(TokenRefused, "GET /nowhere", session("x.y.z"))
    refusal(RouteUnknown, "GET /nowhere", session())
    refusal(RouteUnknown, "GET /rest", session())


@pytest.mark.parametrize("version", ["0.9", "1.2", "1.9", "2.0", "3.0", ""])
def test_another_version_is_not_spoken(version: str) -> None:  # C40
    refusal(VersionUnsupported, "GET /rest/items", session(), version=version)


@pytest.mark.parametrize("host", [None, "", "a@gw.test", "gw.test/x", "gw.test x", "gw.test:99999", "[::1"])
def test_a_request_needs_one_good_host(host: str | None) -> None:  # B20, B23
    refusal(HostInvalid, "GET /rest/items", session(), host=host)


@pytest.mark.parametrize("other", ["evil.test", "gw.test"])
def test_two_hosts_are_one_too_many(other: str) -> None:  # B21
    refusal(HostInvalid, "GET /rest/items", session(), f"Host: {other}")
    refusal(HostInvalid, "GET /rest/items", session(), f"Host: {other}", version="1.0")


def test_only_http_1_0_may_leave_the_host_out() -> None:
    assert decide("GET /rest/items", session(), host=None, version="1.0").lane == REST
    refusal(HostInvalid, "GET /rest/items", session(), host="a@b", version="1.0")


@pytest.mark.parametrize(
    "coding", ["gzip, chunked", "chunked, gzip", "chunked, chunked", "xchunked", "identity", "", "\x0bchunked", '"chunked"', "chunked;q=1"]
)
def test_chunked_is_the_only_transfer_coding(coding: str) -> None:  # C14, C16, C17, C18, C19
    refusal(CodingUnsupported, "POST /rest/items", session(), f"Transfer-Encoding: {coding}")


def test_chunked_twice_on_two_lines_is_refused() -> None:
    refusal(CodingUnsupported, "POST /rest/items", session(), *["Transfer-Encoding: chunked"] * 2)


def test_there_is_no_transfer_coding_in_http_1_0() -> None:  # C21
    assert refusal(RequestMalformed, "POST /rest/items", "Transfer-Encoding: chunked", version="1.0").closes


@pytest.mark.parametrize("line", ["POST /rest/items", "POST /rpc/login"])
@pytest.mark.parametrize("expect", ["200-ok", "", "100-continue, 100-continue"])
def test_an_unknown_expectation_fails(line: str, expect: str) -> None:  # C48
    refusal(ExpectationFailed, line, session(), f"Expect: {expect}")


@pytest.mark.parametrize("line", ["POST /rest/items", "DELETE /rest/items", "POST /rpc/login", "POST /rpc/refresh_token"])
@pytest.mark.parametrize("value", ["1", "yes"])
def test_early_data_may_be_a_replay_and_changes_nothing(line: str, value: str) -> None:  # B53
    refusal(TooEarly, line, session(), f"Early-Data: {value}")
    assert decide("GET /rest/items", session(), f"Early-Data: {value}").lane == REST


def test_no_path_changes_protocols() -> None:  # C36, C38
    refusal(CredentialMissing, "GET /rest/items", upgrade=True)
    refusal(UpgradeRefused, "GET /rest/items", session(), upgrade=True)
    refusal(UpgradeRefused, "POST /rpc/login", upgrade=True)


def test_a_head_has_bounds() -> None:  # B39, B40
    small = gateway(target_bytes=20, header_count=4, head_bytes=500)
    assert decide("GET /rest/0123456789abcd", session(), gate=small).lane == REST
    refusal(TargetTooLong, "GET /rest/0123456789abcde", session(), gate=small)
    refusal(HeadTooLarge, "GET /rest/", *["X-A: 1"] * 4, gate=small)
    refusal(HeadTooLarge, "GET /rest/", f"X-A: {'a' * 500}", head_bytes=600, gate=small)
    assert decide("GET /rest/", "X-A: a", head_bytes=600, gate=small)  # read together with a body


@pytest.mark.parametrize("line", ["POST /rest/items", "PATCH /rest/items", "PUT /rest/items", "DELETE /rest/items", "PROPFIND /rest/items", "POST /rpc/do"])
def test_another_sites_page_changes_nothing_with_our_cookies(line: str) -> None:  # F38
    refusal(OriginDenied, line, session(), *EVIL)
    refusal(OriginDenied, line, session(), "Origin: https://evil.test")
    refusal(OriginDenied, line, session(), "Sec-Fetch-Site: same-site")
    assert decide(line, session()).token
    assert decide(line, session(), "Origin: https://gw.test").token
    assert decide(line, session(), "Origin: https://app.test", "Sec-Fetch-Site: cross-site").token


@pytest.mark.parametrize("line", ["POST /rpc/login", "POST /rpc/logout", "POST /rpc/refresh_token", "POST /rest/rpc/login"])
def test_another_sites_page_signs_nobody_in_or_out(line: str) -> None:  # F17, F35: with or without a session
    refusal(OriginDenied, line, *EVIL)
    refusal(OriginDenied, line, session(), *EVIL)
    refusal(OriginDenied, line, "Origin: null")
    assert decide(line, "Origin: https://gw.test").lane
    assert decide(line, "Sec-Fetch-Site: same-origin").lane
    assert decide(line).lane


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_reading_is_not_held_to_the_cross_site_rule(method: str) -> None:
    assert decide(f"{method} /rest/items", session(), *EVIL).token


@pytest.mark.parametrize(
    ("scheme", "host", "origin"),
    [
        ("https", "gw.test:443", "https://gw.test"),
        ("http", "gw.test:80", "http://gw.test"),
        ("https", "GW.TEST", "https://gw.test"),
        ("http", "gw.test:8000", "http://gw.test:8000"),
    ],
)
def test_this_origin_is_the_one_the_client_sees(scheme: str, host: str, origin: str) -> None:
    assert decide("POST /rest/items", session(), f"Origin: {origin}", host=host, peer=peer(scheme=scheme)).token


def test_this_origin_is_the_one_a_trusted_proxy_was_asked_for() -> None:
    asked = ("X-Forwarded-Proto: https", "X-Forwarded-Host: gw.example", "Origin: https://gw.example")
    assert decide("POST /rest/items", session(), *asked, peer=peer("10.0.0.1", "http")).token
    refusal(OriginDenied, "POST /rest/items", session(), *asked, peer=peer("198.51.100.7", "http"))


# The straight line

Fault = Callable[[dict[str, Any]], object]

STRAIGHT_LINE: list[tuple[type[GatewayError], Fault]] = [
    (VersionUnsupported, lambda head: head.update(version="2.0")),
    (MethodRefused, lambda head: head.update(method="TRACE")),
    (TargetTooLong, lambda head: head.update(target="/" + "a" * 16_384)),
    (HeadTooLarge, lambda head: head["fields"].extend(["X-A: 1"] * 100)),
    (HostInvalid, lambda head: head.update(host="a@b")),
    (CodingUnsupported, lambda head: head["fields"].append("Transfer-Encoding: gzip")),
    (TargetInvalid, lambda head: head.update(target="/rest/../items")),
    (ExpectationFailed, lambda head: head["fields"].append("Expect: 200-ok")),
    (TooEarly, lambda head: head["fields"].append("Early-Data: 1")),
    (TokenRefused, lambda head: head.update(cookie="Cookie: access_token=x.y.z")),
    (RouteUnknown, lambda head: head.update(target="/nowhere")),
    (UpgradeRefused, lambda head: head.update(upgrade=True)),
    (OriginDenied, lambda head: head["fields"].extend(EVIL)),
]


@pytest.mark.parametrize("first", range(len(STRAIGHT_LINE)), ids=[error.__name__ for error, _ in STRAIGHT_LINE])
def test_of_many_faults_the_first_on_the_straight_line_is_told(first: int) -> None:
    head: dict[str, Any] = {"method": "POST", "target": "/rest/items", "host": "gw.test", "version": "1.1"}
    head |= {"upgrade": False, "cookie": session(), "fields": []}
    for _, spoil in reversed(STRAIGHT_LINE[first:]):
        spoil(head)
    refusal(
        STRAIGHT_LINE[first][0],
        f"{head['method']} {head['target']}",
        head["cookie"],
        *head["fields"],
        host=head["host"],
        version=head["version"],
        upgrade=head["upgrade"],
    )


def test_a_preflight_is_answered_before_the_lane_is_looked_for() -> None:
    asked = ("Origin: https://app.test", "Access-Control-Request-Method: PUT", "Expect: 200-ok")
    assert isinstance(decide("OPTIONS /nowhere", *asked).lane, Options)
    refusal(TargetInvalid, "OPTIONS /rest/../x", *asked)
