"""Tokens of an issuer through a real gateway, Postgres and PostgREST."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from harness.relay.deadlines import wait_until
from harness.site.gateways import StartGateway, new_gateway, start_gateway
from harness.site.site import Site, running_site

from app.devstack import DevStack

from .provider import Provider, new_key, running_provider

__all__ = ["new_gateway", "start_gateway"]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as provider:
        provider.extra = [{**provider.keys[0].public_jwk(), "kid": "enc", "use": "enc"}, {"kty": "?"}, 7]
        yield provider


@pytest.fixture(scope="module")
def site(stack: DevStack, start_gateway: StartGateway, provider: Provider) -> Iterator[Site]:
    issuers = json.dumps([{"issuer": provider.issuer, "audience": "api"}])
    with running_site(stack, start_gateway, issuers=issuers) as site:
        wait_until(lambda: "issuer_keys_fetched" in site.gateway.output, "the keys of the issuer")
        yield site


def get(site: Site, token: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{site.url}/rpc/whole_claims", headers={"Authorization": f"Bearer {token}", **headers})


def claims_of(response: httpx.Response) -> Mapping[str, Any]:
    assert response.status_code == 200, response.text
    claims: Mapping[str, Any] = response.json()
    return claims


@pytest.fixture(scope="module", autouse=True)
def _whole_claims(site: Site) -> None:
    site.database.execute("""
        create function api.whole_claims() returns json language sql stable
          return current_setting('request.jwt.claims')::json;
        grant execute on function api.whole_claims() to anon, basic_subscriber;
        notify pgrst, 'reload schema';
    """)
    token = site.token()
    wait_until(lambda: get(site, token).status_code == 200, "PostgREST to know the function")


def admit(site: Site, body: str) -> None:
    site.database.execute(f"""
        create or replace function auth.admit(claims jsonb) returns jsonb
          language plpgsql stable security definer set search_path = pg_catalog, pg_temp
        as $$ begin {body} end $$
    """)


def restore(site: Site) -> None:
    admit(site, "return auth_private.admit_by_role(claims);")


def test_a_token_of_the_issuer_becomes_one_that_postgrest_accepts(site: Site, provider: Provider) -> None:
    token = provider.token(sub="ann", role="basic_subscriber", email="a@x.test", sid="theirs", jti="t-1")
    claims = claims_of(get(site, token))

    assert claims["role"] == "basic_subscriber"
    assert (claims["iss"], claims["sub"], claims["email"]) == (provider.issuer, "ann", "a@x.test")
    assert not {"sid", "jti", "aud"} & claims.keys()
    assert 30 <= claims["exp"] - claims["iat"] <= 90
    assert claims_of(get(site, token)) == claims


def test_a_token_without_a_role_acts_as_the_anonymous_role(site: Site, provider: Provider) -> None:
    assert claims_of(get(site, provider.token(sub="none")))["role"] == "anon"


@pytest.mark.parametrize("role", ["postgres", "auth_owner", "gateway", "no_such_role", "", "anon\u0000"])
def test_a_role_that_no_user_may_have_is_denied(site: Site, provider: Provider, role: str) -> None:
    response = get(site, provider.token(role=role))
    assert (response.status_code, response.json()["code"]) == (403, "GW206")


def test_a_token_that_does_not_verify_is_401(site: Site, provider: Provider) -> None:
    forged = provider.token(new_key("ES256", "first"), role="basic_subscriber")
    for token in (forged, provider.token(aud="other"), provider.token(iss="http://x")):
        response = get(site, token)
        assert (response.status_code, response.json()["code"]) == (401, "GW201")
    expired = get(site, provider.token(exp=1))
    assert (expired.status_code, expired.json()["code"]) == (401, "GW205")


def test_a_token_of_an_issuer_is_not_accepted_in_a_cookie(site: Site, provider: Provider) -> None:
    token = provider.token(role="basic_subscriber")
    claims_of(get(site, token))
    response = httpx.get(f"{site.url}/rpc/whole_claims", headers={"Cookie": f"access_token={token}"})
    assert response.status_code == 401


def test_a_body_waits_with_the_first_request(site: Site, provider: Provider) -> None:
    token = provider.token(sub="writer", role="basic_subscriber")
    response = httpx.post(
        f"{site.url}/rpc/whole_claims", json={}, headers={"Authorization": f"Bearer {token}"}
    )
    assert claims_of(response)["sub"] == "writer"


def test_a_revoked_subject_is_decided_again_at_once(site: Site, provider: Provider) -> None:
    token = provider.token(sub="bob", role="basic_subscriber")
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}) as client:
        for _ in range(3):  # the head cache has it, too
            assert claims_of(client.get(f"{site.url}/rpc/whole_claims"))["sub"] == "bob"
        admit(site, "return null;")
        assert client.get(f"{site.url}/rpc/whole_claims").status_code == 200

        site.database.fetch("select auth.revoke_subject($1, 'bob')", provider.issuer)

        def is_denied() -> bool:
            return client.get(f"{site.url}/rpc/whole_claims").status_code == 403

        wait_until(is_denied, "the revocation")
        restore(site)
        site.database.fetch("select auth.revoke_subject($1, 'bob')", provider.issuer)
        wait_until(lambda: not is_denied(), "the second decision")


def test_what_admit_returns_decides(site: Site, provider: Provider) -> None:
    admit(site, "return jsonb_build_object('role', 'basic_subscriber', 'sub', 'me', 'exp', 1, 'sid', 's');")
    claims = claims_of(get(site, provider.token(sub="carl")))
    assert (claims["role"], claims["sub"], claims["iss"]) == ("basic_subscriber", "me", provider.issuer)
    assert "sid" not in claims
    for number, body in enumerate(("raise 'no';", "return '7';", 'return \'{"role":"pg_monitor"}\';')):
        admit(site, body)
        assert get(site, provider.token(sub=f"carl{number}")).json()["code"] == "GW206"
    restore(site)


def test_known_tokens_are_admitted_while_the_issuer_is_down(site: Site, provider: Provider) -> None:
    known = provider.token(sub="dora", role="basic_subscriber")
    claims_of(get(site, known))
    provider.stop()
    try:
        assert claims_of(get(site, known))["sub"] == "dora"
        assert claims_of(get(site, provider.token(sub="erik")))["sub"] == "erik"
    finally:
        provider.start()
