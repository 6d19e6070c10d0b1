"""The published key of supabase-js: everyone has it, so a Bearer token equal to it is no credential."""

from dataclasses import replace

import pytest

from app.core.http.routing import Policy
from app.errors import CredentialMissing, TokenRejected

from .builders import REST, RPC, decide, gateway, mint, refusal, request, router, session

KEYS = ["sb_publishable_abc", mint(role="anon"), mint(role="service_role"), mint(role="anon", exp=1)]
OPEN = router(*(replace(route, policy=Policy.OPTIONAL) for route in (REST, RPC)))


def fields(key: str) -> tuple[str, str]:
    return f"apikey: {key}", f"Authorization: Bearer {key}"


@pytest.mark.parametrize("key", KEYS)
def test_it_is_the_anonymous_role_whatever_it_is(key: str) -> None:
    gate = gateway(router=OPEN, published_key=key.encode())
    for line in ("GET /rest/items", "POST /rest/items"):
        admitted = decide(line, *fields(key), gate=gate)
        assert admitted.token is None
        assert b"uthorization" not in admitted.head


@pytest.mark.parametrize("key", KEYS)
def test_it_does_not_open_a_route_that_needs_a_session(key: str) -> None:
    refusal(CredentialMissing, "GET /rest/items", *fields(key), gate=gateway(published_key=key.encode()))


def test_it_neither_replaces_nor_prevents_a_session() -> None:
    gate = gateway(published_key=b"key", renews=True)
    admitted = decide("GET /rest/items", session(), *fields("key"), gate=gate)
    assert admitted.token is not None
    assert admitted.token.subject == "u1"
    renewing = decide("GET /rest/items", "Cookie: refresh_token=r", *fields("key"), gate=gate)
    assert renewing.refresh == b"r"


def test_another_bearer_is_judged_as_always() -> None:
    gate = gateway(router=OPEN, published_key=b"key")
    token = decide(
        "GET /rest/items", "apikey: key", f"Authorization: Bearer {mint(sub='b')}", gate=gate
    ).token
    assert token is not None
    assert token.subject == "b"
    for other in ("key2", "ke", "KEY", "key, Bearer key"):
        refusal(TokenRejected, "GET /rest/items", f"Authorization: Bearer {other}", gate=gate)
    refusal(TokenRejected, "GET /rest/items", "Authorization: Bearer key", gate=gateway(router=OPEN))


def test_an_auth_function_gets_no_claims_from_it() -> None:
    key = mint(role="service_role")
    gate = gateway(published_key=key.encode())
    head = request("POST /rpc/login", *fields(key))
    client = gate.decide(head, 0).client
    assert gate.token_of(head.headers, client, 0) is None
