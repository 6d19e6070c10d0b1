"""A set of keys, as the real PostgREST reads it: what the gateway takes, and why it refuses the rest."""

import base64
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from harness.relay.tokens import base64url, mint, sign
from harness.site.client import ask
from harness.site.curl import Curl
from harness.site.gateways import StartGateway
from harness.site.site import Site

from app.devstack import DevStack
from app.diagnostics.check import Finding, Level, run_checks
from app.settings import load_settings
from app.settings.keys import oct_jwk, read_ring, write_ring

NEW, OLD, OTHER = (bytes(range(start, start + 40)) for start in (1, 60, 120))
GOOD, BAD = 200, 401


class KeyReader:
    """A PostgREST with this secret, and what it says to tokens."""

    def __init__(self, stack: DevStack, secret: str, *, is_base64: bool) -> None:
        options = replace(stack.options, jwt_secret=secret, jwt_secret_is_base64=is_base64)
        self.postgrest = stack.start_postgrest(options)

    def says(self, *tokens: str) -> list[int]:
        fields = [[("Authorization", f"Bearer {token}")] for token in tokens]
        said = [ask(self.postgrest.url, "GET", "/", field).status for field in fields]
        self.postgrest.stop()
        return said


def token(key: bytes, **header: str) -> str:
    good = mint(key=key, role="anon")
    if not header:
        return good
    claims = base64.urlsafe_b64decode(good.split(".")[1] + "==")
    return sign(json.dumps({"alg": "HS256", **header}).encode(), claims, key=key)


@pytest.mark.parametrize("is_base64", [True, False])
def test_postgrest_accepts_the_tokens_of_every_key_of_a_set(stack: DevStack, *, is_base64: bool) -> None:
    secret = write_ring([oct_jwk(NEW, "2026-11-21T00:00:00Z"), oct_jwk(OLD)], is_base64=is_base64)
    assert read_ring(secret, is_base64=is_base64).secrets == (NEW, OLD)
    said = KeyReader(stack, secret + "\n", is_base64=is_base64).says(token(NEW), token(OLD), token(OTHER))
    assert said == [GOOD, GOOD, BAD]


def test_postgrest_12_does_not_mind_the_id_of_a_key(stack: DevStack) -> None:
    """Later ones do: so the tokens that SQL signs name none."""
    secret = json.dumps({"keys": [jwk(NEW, kid="new"), jwk(OLD, kid="old")]})
    tokens = token(OLD, kid="old"), token(OLD, kid="new"), token(OLD, kid="unknown")
    assert KeyReader(stack, secret, is_base64=False).says(*tokens) == [GOOD, GOOD, GOOD]


@pytest.mark.parametrize(
    "entry",
    [
        {"kty": "oct", "k": base64.urlsafe_b64encode(NEW).decode()},
        {"kty": "oct", "k": base64.b64encode(b"\xff" * 36).decode()},
        {"kty": "EC"},
    ],
    ids=["padded", "the other alphabet", "a key without a point"],
)
def test_what_the_gateway_refuses_postgrest_takes_for_a_text(
    stack: DevStack, entry: Mapping[str, Any]
) -> None:
    secret = json.dumps({"keys": [jwk(OLD), entry]})
    with pytest.raises(ValueError, match="number 2"):
        read_ring(secret, is_base64=False)
    said = KeyReader(stack, secret, is_base64=False).says(token(OLD), token(secret.encode()))
    assert said == [BAD, GOOD]


def jwk(key: bytes, **members: str) -> dict[str, str]:
    return {"kty": "oct", "k": base64url(key), **members}


def test_a_recipe_that_decodes_its_secret_goes_on_after_a_rotation(
    recipe: Site, start_gateway: StartGateway, tmp_path: Path
) -> None:
    both = write_ring([oct_jwk(base64.b64decode(recipe.jwt_secret)), oct_jwk(OLD)], is_base64=True)
    with start_gateway(
        recipe.environ, jwt_secret=both, auth_schema="accounts", auth_functions="sign_in,sign_out"
    ) as gateway:
        curl = Curl(gateway.url, tmp_path)
        credentials = '{"email":"ann@example.org","password":"correct horse"}'
        assert curl("/rpc/sign_in", "-H", "Content-Type: application/json", "-d", credentials).status == 200
        assert json.loads(curl("/rpc/whoami").body)["username"] == "ann@example.org"


# --- what `postgate check` makes of it


async def found(
    stack: DevStack, secret: str, postgrests: str, *, is_base64: bool = True, postgrest_decodes: bool = True
) -> list[Finding]:
    """What is no good, where the gateway has one secret and PostgREST has another."""
    options = replace(stack.options, jwt_secret=postgrests, jwt_secret_is_base64=postgrest_decodes)
    postgrest = stack.start_postgrest(options)
    environ = {
        **stack.gateway_environ(),
        "POSTGATE_JWT_SECRET": secret,
        "POSTGATE_JWT_SECRET_IS_BASE64": str(is_base64).lower(),
        "POSTGATE_POSTGREST_URL": postgrest.url,
        "POSTGATE_CONNECTIONS": "100",
    }
    findings = await run_checks(load_settings(environ))
    postgrest.stop()
    for finding in findings:
        for value in (secret, postgrests):
            assert value not in finding.text + finding.fix
    return [finding for finding in findings if finding.level is not Level.OK]


def ring(*keys: bytes, is_base64: bool = True) -> str:
    return write_ring([oct_jwk(key) for key in keys], is_base64=is_base64)


@pytest.mark.anyio
@pytest.mark.parametrize("is_base64", [True, False])
async def test_a_set_that_both_have_is_well_in_either_form(stack: DevStack, *, is_base64: bool) -> None:
    secret = ring(NEW, OLD, is_base64=is_base64)
    assert await found(stack, secret, secret, is_base64=is_base64, postgrest_decodes=is_base64) == []


@pytest.mark.anyio
async def test_a_key_of_text_is_well(stack: DevStack) -> None:
    secret = ring(b"pg_a key that is printable text, all of it", OLD)
    assert await found(stack, secret, secret) == []


@pytest.mark.anyio
async def test_a_set_that_postgrest_has_not_read_yet(stack: DevStack) -> None:
    [problem] = await found(stack, ring(NEW, OLD), base64.b64encode(OLD).decode())
    assert problem.level is Level.PROBLEM
    assert problem.text.startswith("PostgREST does not have the gateway's first key, which signs")
    assert "reload config" in problem.fix


@pytest.mark.anyio
async def test_a_key_that_the_gateway_keeps_and_postgrest_has_dropped(stack: DevStack) -> None:
    [warning] = await found(stack, ring(NEW, OLD), ring(NEW))
    assert warning.level is Level.WARNING
    assert warning.text.startswith("PostgREST rejects tokens of the gateway's key number 2")
    assert "postgate secret rotate --drop-old" in warning.fix


@pytest.mark.anyio
async def test_a_set_that_postgrest_takes_for_a_text(stack: DevStack) -> None:
    [problem] = await found(stack, ring(NEW, OLD), ring(NEW, OLD), postgrest_decodes=False)
    assert "one reads it as base64, the other as text" in problem.text


@pytest.mark.anyio
async def test_another_set(stack: DevStack) -> None:
    [problem] = await found(stack, ring(NEW, OLD), ring(OTHER))
    assert problem.text == "PostgREST has another JWT secret than the gateway."
    assert "PGRST_JWT_SECRET and PGRST_JWT_SECRET_IS_BASE64" in problem.fix
    [problem] = await found(stack, ring(NEW, OLD, is_base64=False), ring(OTHER))
    assert problem.fix.endswith("set PGRST_JWT_SECRET_IS_BASE64=false.")
