"""Authenticators are asked in order: the first that finds its kind of credential judges the request."""

import pytest
from typing_extensions import override

from app.core import authenticators
from app.core.authenticators import AUTHENTICATORS, Authenticator, BearerToken, SessionCookie
from app.core.facts import Facts
from app.core.http.routing import Policy
from app.core.tokens.verify import TokenVerifier, VerifiedToken
from app.errors import CredentialMissing, TokenRejected

from .builders import decide, gateway, mint, open_gateway, refusal

if authenticators.__file__.endswith(".so"):
    pytest.skip("an interpreted class cannot extend a compiled one", allow_module_level=True)

KEYS = {b"key-1": mint(sub="service").encode()}


class ApiKey(Authenticator):
    """A kind that the gateway does not have: a key that stands for the claims of a token."""

    @override
    def authenticate(self, facts: Facts, verifier: TokenVerifier) -> VerifiedToken | None:
        scheme, _, key = (facts.read.authorization or b"").partition(b" ")
        if scheme != b"Key":
            return None
        if key not in KEYS:
            raise TokenRejected(reason="key unknown")
        return verifier.verify(KEYS[key], facts.now)


GATE = gateway(authenticators=(*AUTHENTICATORS, ApiKey()))
COOKIE, BEARER = f"Cookie: access_token={mint(sub='c')}", f"Authorization: Bearer {mint(sub='b')}"


def subject(*fields: str) -> str | None:
    token = decide("GET /rest/items", *fields, gate=GATE).token
    return token.subject if token is not None else None


@pytest.mark.parametrize(
    ("fields", "whose"),
    [
        ((COOKIE,), "c"),
        ((BEARER,), "b"),
        ((BEARER, COOKIE), "c"),
        (("Authorization: Key key-1",), "service"),
        (("Authorization: Key key-1", COOKIE), "c"),
        (("Cookie: access_token=", BEARER), "b"),
    ],
)
def test_the_first_that_finds_its_credential_judges(fields: tuple[str, ...], whose: str) -> None:
    assert subject(*fields) == whose


@pytest.mark.parametrize(
    "fields", [("Cookie: access_token=bad", BEARER), ("Cookie: access_token=bad", "Authorization: Key key-1")]
)
def test_a_refused_credential_gives_way_to_no_other(fields: tuple[str, ...]) -> None:
    refusal(TokenRejected, "GET /rest/items", *fields, gate=GATE)


def test_a_kind_that_is_not_in_the_list_is_no_credential() -> None:
    refusal(CredentialMissing, "GET /rest/items", "Authorization: Key key-1", gate=gateway())
    assert [type(each) for each in AUTHENTICATORS] == [SessionCookie, BearerToken]


def test_one_more_kind_has_the_rules_of_the_others() -> None:
    assert (
        refusal(TokenRejected, "GET /rest/items", "Authorization: Key x", gate=GATE).reason == "key unknown"
    )
    public = gateway(router=open_gateway(Policy.OPTIONAL).router, authenticators=GATE.authenticators)
    for method in ("GET", "POST"):
        line = f"{method} /rest/items"
        refused = refusal(TokenRejected, line, "Authorization: Key x", "Origin: https://gw.test", gate=public)
        assert refused.reason == "key unknown"
