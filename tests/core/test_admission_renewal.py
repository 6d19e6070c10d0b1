"""A spent session with a live refresh cookie is held for its renewal: when, and on what conditions."""

import pytest

from app.core.admission import Admission
from app.core.http.routing import Policy, Router
from app.core.requests import Admitted
from app.errors import (
    BodyTooLarge,
    CookieAmbiguous,
    CredentialMissing,
    GatewayError,
    OriginDenied,
    RouteUnknown,
    TokenRejected,
    UpgradeRejected,
)

from .builders import FUNCTIONS, NOW, REST, decide, gateway, mint, open_gateway, refusal, request

REFRESH = "refresh_token=r-1"
EXPIRED = f"Cookie: access_token={mint(exp=NOW - 1)}; {REFRESH}"
MISSING = f"Cookie: {REFRESH}"
FORGED = f"Cookie: access_token=a.b.c; {REFRESH}"
SPENT = [EXPIRED, MISSING, FORGED]
RENEWING = gateway(renews=True)


def open_renewing(policy: Policy = Policy.OPTIONAL) -> Admission:
    gate = open_gateway(policy)
    return gateway(router=gate.router, renews=True)


def again(line: str, *fields: str, renewed: str, gate: Admission = RENEWING) -> Admitted:
    """Decided anew with what the renewal has brought."""
    return gate.decide(request(line, *fields), NOW, renewed.encode())


@pytest.mark.parametrize("cookie", SPENT)
@pytest.mark.parametrize("gate", [RENEWING, open_renewing()], ids=["required", "optional"])
def test_it_waits_with_its_refresh_token_and_nothing_for_the_upstream(cookie: str, gate: Admission) -> None:
    admitted = decide("GET /rest/items", cookie, gate=gate)
    assert (admitted.refresh, admitted.token, admitted.head) == (b"r-1", None, b"")


@pytest.mark.parametrize("cookie", SPENT)
def test_then_it_goes_on_with_the_new_token_and_no_other(cookie: str) -> None:
    token = mint(sub="renewed")
    admitted = again("GET /rest/items", cookie, renewed=token)
    assert admitted.refresh is None
    assert admitted.token is not None
    assert admitted.token.subject == "renewed"
    assert f"Authorization: Bearer {token}\r\n".encode() in admitted.head
    assert b"r-1" not in admitted.head


def test_a_good_access_cookie_needs_no_renewal() -> None:
    admitted = decide("GET /rest/items", f"Cookie: access_token={mint()}; {REFRESH}", gate=RENEWING)
    assert admitted.refresh is None
    assert admitted.token is not None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ((f"Cookie: access_token={mint(exp=NOW - 1)}",), TokenRejected),
        (("Cookie: refresh_token=",), CredentialMissing),
        (("Cookie: refresh_token=a; refresh_token=b",), CookieAmbiguous),
        ((f"Cookie: access_token=a; access_token=b; {REFRESH}",), CookieAmbiguous),
        ((MISSING, "Authorization: Bearer a.b.c"), TokenRejected),
    ],
    ids=["no refresh cookie", "an empty one", "two different ones", "two access cookies", "a bad bearer"],
)
def test_nothing_else_is_renewed(fields: tuple[str, ...], error: type[GatewayError]) -> None:
    refusal(error, "GET /rest/items", *fields, gate=RENEWING)


def test_a_good_bearer_stands_for_itself() -> None:
    admitted = decide("GET /rest/items", MISSING, f"Authorization: Bearer {mint()}", gate=RENEWING)
    assert admitted.refresh is None
    assert admitted.token is not None


def test_nothing_is_renewed_where_nobody_asks_who_it_is() -> None:
    admitted = decide("GET /rest/items", MISSING, gate=open_renewing(Policy.NONE))
    assert (admitted.refresh, admitted.token) == (None, None)
    assert admitted.head


@pytest.mark.parametrize("cookie", SPENT)
def test_nothing_is_renewed_when_renewal_is_off(cookie: str) -> None:
    with pytest.raises((CredentialMissing, TokenRejected)):
        decide("GET /rest/items", cookie)


class TestRefusedBeforeItIsRenewed:
    """Renewal spends a token: what will be refused anyway must not cost one."""

    def test_another_sites_write(self) -> None:
        refusal(OriginDenied, "POST /rest/items", MISSING, "Origin: https://evil.test", gate=RENEWING)

    def test_a_body_that_is_too_large(self) -> None:
        gate = gateway(body_bytes=10, renews=True)
        refusal(BodyTooLarge, "POST /rest/items", MISSING, "Content-Length: 11", gate=gate)

    def test_an_upgrade(self) -> None:
        fields = (MISSING, "Connection: upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
        refusal(UpgradeRejected, "GET /rest/items", *fields, gate=RENEWING, upgrade=True)

    def test_an_unknown_path(self) -> None:
        refusal(CredentialMissing, "GET /nowhere", MISSING, gate=RENEWING)


def test_what_was_renewed_is_checked_like_any_other_token() -> None:
    with pytest.raises(TokenRejected):
        again("GET /rest/items", MISSING, renewed=mint(exp=NOW - 1))
    with pytest.raises(RouteUnknown):
        again("GET /nowhere", MISSING, renewed=mint())


class TestASessionThatIsOver:
    @pytest.mark.parametrize(("cookie", "error"), [(MISSING, CredentialMissing), (EXPIRED, TokenRejected)])
    def test_is_refused_where_a_credential_is_required(self, cookie: str, error: type[GatewayError]) -> None:
        with pytest.raises(error) as refused:
            again("GET /rest/items", cookie, renewed="")
        assert not refused.value.headers

    def test_reads_as_nobody_where_that_is_allowed(self) -> None:
        admitted = again("GET /rest/items", EXPIRED, renewed="", gate=open_renewing())
        assert (admitted.token, admitted.refresh) == (None, None)
        assert b"Authorization" not in admitted.head

    @pytest.mark.parametrize("cookie", SPENT)
    def test_does_not_write_as_nobody_and_loses_its_cookies(self, cookie: str) -> None:
        with pytest.raises(TokenRejected) as refused:
            again("POST /rest/items", cookie, renewed="", gate=open_renewing())
        assert {value.partition(b"=")[0] for _, value in refused.value.headers} == {
            b"access_token",
            b"refresh_token",
        }


class TestAccountFunctions:
    """They answer only to their schema's name: an API may have functions of the same names."""

    GATE = gateway(
        router=Router(
            [REST], functions=FUNCTIONS, account_functions=["sessions"], rpc_prefixes=[b"/rest/rpc/"]
        )
    )

    def test_named_it_is_the_gateways(self) -> None:
        admitted = decide("POST /rest/rpc/sessions", "Content-Profile: auth", gate=self.GATE)
        assert getattr(admitted.lane, "name", None) == "sessions"
        assert not admitted.head

    @pytest.mark.parametrize("fields", [(), ("Content-Profile: api",)], ids=["unnamed", "another schema"])
    def test_otherwise_it_is_the_apis(self, fields: tuple[str, ...]) -> None:
        refusal(CredentialMissing, "POST /rest/rpc/sessions", *fields, gate=self.GATE)
        cookie = f"Cookie: access_token={mint()}"
        assert decide("POST /rest/rpc/sessions", cookie, *fields, gate=self.GATE).head

    @pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
    def test_and_so_is_every_other_method(self, method: str) -> None:
        cookie = f"Cookie: access_token={mint()}"
        assert decide(f"{method} /rest/rpc/sessions", cookie, gate=self.GATE).head

    def test_another_sites_page_cannot_call_it(self) -> None:
        fields = ("Content-Profile: auth", "Origin: https://evil.test")
        refusal(OriginDenied, "POST /rest/rpc/sessions", *fields, gate=self.GATE)
