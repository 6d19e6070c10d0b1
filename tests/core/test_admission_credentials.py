"""Credentials: one request has one, it is verified, and what was verified is what is sent."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.core.admission import Admission
from app.core.http.routing import Policy
from app.core.session.cookies import clear_session
from app.errors import CookieAmbiguous, CredentialMissing, GatewayError, TokenExpired, TokenRejected

from .builders import (
    NAMES,
    NOW,
    OTHER_SECRET,
    REST,
    decide,
    gateway,
    mint,
    open_gateway,
    peer,
    router,
    session,
    verifier,
)
from .builders import (
    refusal as refusal_of,
)

MINE = mint()
OTHERS = mint(sub="u2")
EXPIRED = mint(exp=NOW - 1)
FORGED = mint(key=OTHER_SECRET)


def bearer(token: str) -> str:
    return f"Authorization: Bearer {token}"


def subject(*fields: str, **changes: Any) -> str | None:
    """Who a private request is relayed for; None for nobody in particular."""
    found = decide("GET /rest/items", *fields, **changes)
    if found.token is None:
        assert b"uthorization" not in found.head
        return None
    assert found.head.lower().count(b"\r\nauthorization:") == 1
    assert found.token.authorization in found.head
    return found.token.subject


def refusal(error: type[GatewayError], *fields: str, **changes: Any) -> GatewayError:
    return refusal_of(error, "GET /rest/items", *fields, **changes)


def test_a_cookie_is_turned_into_a_bearer() -> None:
    assert subject(session(MINE)) == "u1"


def test_without_a_cookie_the_bearer_counts() -> None:  # B09, by decision 2
    assert subject(bearer(MINE)) == "u1"
    assert subject(bearer(MINE), "Cookie: theme=dark") == "u1"
    assert subject(bearer(MINE), "Cookie: access_token=") == "u1"


def test_with_both_the_cookie_wins_whatever_the_order() -> None:  # E18
    assert subject(session(MINE), bearer(OTHERS)) == "u1"
    assert subject(bearer(OTHERS), session(MINE)) == "u1"
    assert subject(session(MINE), bearer(EXPIRED), bearer(OTHERS)) == "u1"  # B08


@pytest.mark.parametrize("stale", [EXPIRED, FORGED, "x", '"' + MINE + '"', MINE + "="])
def test_a_bad_cookie_is_not_saved_by_a_good_bearer(stale: str) -> None:
    refusal(TokenRejected, session(stale), bearer(MINE))


def test_two_bearers_are_no_credential() -> None:
    refusal(CredentialMissing, bearer(MINE), bearer(OTHERS))
    refusal(CredentialMissing, bearer(MINE), bearer(MINE))


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
@pytest.mark.parametrize("blank", [" ", "   ", " \t"])
def test_the_scheme_is_read_in_any_case(scheme: str, blank: str) -> None:
    assert subject(f"Authorization: {scheme}{blank}{MINE}") == "u1"


@pytest.mark.parametrize(
    "value", ["", "Bearer", "Bearer ", "Basic eDp5", MINE, f"Token {MINE}", f"Bearer{MINE}", f"bearer:{MINE}"]
)
def test_any_other_authorization_is_no_credential(value: str) -> None:
    refusal(CredentialMissing, f"Authorization: {value}")


@pytest.mark.parametrize(
    "value", [f"{MINE}, Bearer {OTHERS}", f"{MINE} {OTHERS}", f"{MINE}\r\nX-A: 1", "\xff", FORGED]
)
def test_a_bearer_that_is_no_token_is_refused(value: str) -> None:
    refusal(TokenRejected, bearer(value))


def test_an_expired_bearer_is_refused_in_the_words_that_clients_of_postgrest_look_for() -> None:
    error = refusal(TokenExpired, bearer(EXPIRED))
    assert (error.status, error.message, error.reason) == (401, "JWT expired", "expired")
    challenge = b'Bearer error="invalid_token", error_description="JWT expired"'
    assert error.extra_headers == ((b"WWW-Authenticate", challenge),)


def test_two_different_sessions_are_refused_and_both_cleared() -> None:  # E01, E02, E03
    for fields in ([f"Cookie: access_token={MINE}; access_token={OTHERS}"], [session(OTHERS), session(MINE)]):
        error = refusal(CookieAmbiguous, *fields, bearer(MINE))
        assert error.status == 401
        assert error.headers == [(b"Set-Cookie", value) for value in clear_session(NAMES, secure=True)]
    assert subject(f"Cookie: access_token={MINE}; access_token={MINE}") == "u1"


@pytest.mark.parametrize(
    ("setting", "scheme", "secure"),
    [(None, "https", True), (None, "http", False), (True, "http", True), (False, "https", False)],
)
def test_cookies_are_secure_as_configured_or_as_the_client_came(
    setting: bool | None,  # noqa: FBT001
    scheme: str,
    secure: bool,  # noqa: FBT001
) -> None:
    gate = gateway(secure_cookies=setting)
    error = refusal(CookieAmbiguous, session(MINE), session(OTHERS), gate=gate, peer=peer(scheme=scheme))
    assert all(value.endswith(b"; Secure") is secure for _, value in error.headers)


def test_a_name_that_is_not_the_cookies_is_no_session() -> None:  # E05, E06
    for alias in ("\xa0access_token", "access_token\x85", "ACCESS_TOKEN", "__Host-access_token"):
        refusal(CredentialMissing, f"Cookie: {alias}={MINE}")


def test_a_refresh_token_is_no_access_token() -> None:  # E20, from the other side
    refusal(CredentialMissing, f"Cookie: refresh_token={MINE}")


def test_a_role_that_is_reserved_is_nobody() -> None:  # D47, D48
    for role in ("none", "postgres", "authenticator", "pg_read_all_data"):
        refusal(TokenRejected, session(mint(role=role)))


def test_time_is_looked_at_again_with_every_request() -> None:
    gate = gateway()
    assert subject(session(MINE), gate=gate) == "u1"
    assert subject(session(MINE), gate=gate, now=NOW + 599) == "u1"
    refusal(TokenRejected, session(MINE), gate=gate, now=NOW + 600)


def test_a_private_route_needs_a_good_credential() -> None:
    refusal(CredentialMissing)
    refusal(TokenRejected, session(EXPIRED))
    refusal(TokenRejected, session(FORGED))


@pytest.mark.parametrize("fields", [(), (session(EXPIRED),), ("Authorization: Bearer ",)])
def test_an_open_route_takes_anybody_for_nobody_in_particular(fields: tuple[str, ...]) -> None:
    assert subject(*fields, gate=open_gateway()) is None


@pytest.mark.parametrize("token", [EXPIRED, FORGED, "no token"])
@pytest.mark.parametrize("line", ["GET /rest/items", "POST /rest/items", "GET /rest/"])
def test_a_bad_bearer_is_refused_even_where_a_stranger_is_not(line: str, token: str) -> None:
    """As PostgREST has it: a cookie comes along unasked, a Bearer does not."""
    error = TokenExpired if token == EXPIRED else TokenRejected
    refusal_of(error, line, bearer(token), gate=open_gateway())


@pytest.mark.parametrize("gate", [gateway(), open_gateway()], ids=["closed", "open"])
@pytest.mark.parametrize("how", [session, bearer])
def test_a_token_without_a_role_is_signed_in_as_the_anonymous_role(
    gate: Admission, how: Callable[[str], str]
) -> None:
    token = decide("GET /rest/items", how(mint({"sub": "u1", "exp": NOW + 600})), gate=gate).token
    assert token is not None
    assert (token.role, token.subject) == ("anon", "u1")


@pytest.mark.parametrize(
    "cookies",
    [f"access_token={MINE}; access_token={OTHERS}", f"access_token={MINE}; refresh_token=a; refresh_token=b"],
)
@pytest.mark.parametrize("line", ["GET /rest/items", "POST /rest/items", "GET /rest/"])
def test_two_sessions_are_refused_wherever_a_session_counts(cookies: str, line: str) -> None:
    for gate in (gateway(), open_gateway()):
        refused = refusal_of(CookieAmbiguous, line, f"Cookie: {cookies}", gate=gate)
        assert {name for name, _ in refused.headers} == {b"Set-Cookie"}


def test_an_open_route_knows_those_who_are_signed_in() -> None:
    assert subject(session(MINE), gate=open_gateway()) == "u1"
    assert subject(bearer(MINE), gate=open_gateway()) == "u1"


def test_a_route_without_credentials_gets_none() -> None:
    gate = gateway(router=router(replace(REST, policy=Policy.NONE, strip=False)))
    for fields in ((session(MINE),), (bearer(MINE),), (session(MINE), session(OTHERS)), ()):
        assert subject(*fields, gate=gate) is None


def test_the_openapi_document_is_the_sessions_own_or_everybodys() -> None:  # B10
    for fields in ((), (session(EXPIRED),)):
        stranger = decide("GET /rest/", *fields)
        assert stranger.token is None
        assert b"uthorization" not in stranger.head
    assert decide("GET /rest/", session(MINE)).token is not None


def test_a_stranger_does_not_choose_the_schema_of_the_openapi_document() -> None:
    assert b"profile" not in decide("GET /rest/", "Accept-Profile: auth").head
    assert b"profile" not in decide("HEAD /rest/", "Accept-Profile: auth", session(EXPIRED)).head
    assert b"\r\naccept-profile: auth\r\n" in decide("GET /rest/", "Accept-Profile: auth", session(MINE)).head
    assert (
        b"\r\naccept-profile: api\r\n" in decide("GET /rest/items", "Accept-Profile: api", session(MINE)).head
    )


def test_a_changed_key_ends_every_session() -> None:  # D55, D56
    refusal(TokenRejected, session(MINE), gate=gateway(verifier=verifier(OTHER_SECRET)))
