"""`postgate check --token`: what the gateway and a real PostgREST make of one token, without showing it."""

from base64 import b64decode
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from time import time
from typing import Any

import pytest
from core.builders import mint
from harness.site.console import QuickConsole

from app.devstack import DevStack, Postgrest
from app.diagnostics.check import check_token
from app.settings import load_settings

pytestmark = pytest.mark.anyio

OTHER_KEY = b"a key that neither party was ever given"
ROLE = "basic_subscriber"
PostgrestWith = Callable[..., AbstractContextManager[Postgrest]]


@pytest.fixture
def postgrest_with(stack: DevStack) -> PostgrestWith:
    @contextmanager
    def running(**settings: str) -> Iterator[Postgrest]:
        variables = {f"PGRST_{name.upper()}": value for name, value in settings.items()}
        postgrest = stack.start_postgrest(replace(stack.options, environ=variables))
        try:
            yield postgrest
        finally:
            postgrest.stop()

    return running


def token(stack: DevStack, /, *, key: bytes = b"", without: str = "", **claims: Any) -> str:
    every = {"role": ROLE, "sub": "u1", "exp": int(time()) + claims.pop("seconds", 600)}
    every.pop(without, None)
    return mint(every | claims, key=key or b64decode(stack.jwt_secret))


async def verdicts(environ: dict[str, str], text: str, **settings: str) -> list[str]:
    changed = {**environ, **{f"POSTGATE_{name.upper()}": value for name, value in settings.items()}}
    found = await check_token(load_settings(changed), text)
    assert text not in repr(found)
    assert changed["POSTGATE_JWT_SECRET"] not in repr(found)
    return [finding.text for finding in found]


async def test_a_good_token_is_accepted_by_both(stack: DevStack) -> None:
    own, theirs = await verdicts(stack.gateway_environ(), token(stack))
    assert own.startswith(f"The gateway accepts the token, as role {ROLE}, for ")
    assert theirs == "PostgREST accepts the token."


@pytest.mark.parametrize(
    ("claims", "settings", "own", "theirs"),
    [
        ({"key": OTHER_KEY}, {}, "none of the gateway's keys made its signature", "rejects the token"),
        ({"seconds": -3_600}, {}, "it has expired (exp)", "rejects the token"),
        ({"seconds": -5}, {}, "it has expired (exp)", "accepts the token."),
        ({"without": "exp"}, {}, "POSTGATE_REQUIRE_EXP=false would admit it", "accepts the token."),
        ({"without": "exp"}, {"require_exp": "false"}, "without an end: it has no exp", "accepts the token."),
        ({"without": "role"}, {}, "as role anon", "accepts the token."),
        ({"role": "nonesuch"}, {}, "as role nonesuch", "and not its role"),
        ({"aud": "x"}, {"jwt_audience": "y"}, "another audience (aud)", "accepts the token."),
    ],
)
async def test_each_party_says_why(
    stack: DevStack, claims: dict[str, Any], settings: dict[str, str], own: str, theirs: str
) -> None:
    said = await verdicts(stack.gateway_environ(), token(stack, **claims), **settings)
    assert own in said[0]
    assert theirs in said[1]


async def test_what_is_no_token_is_not_sent(stack: DevStack) -> None:
    said = await verdicts(stack.gateway_environ(), "hunter2 hunter2")
    assert said == [
        "The gateway rejects the token: it is not three parts of base64url with dots between them.",
        "PostgREST was not asked, because this is no token.",
    ]


def test_a_token_from_standard_input_is_not_shown(stack: DevStack) -> None:
    console = QuickConsole({})
    settings = {
        name.removeprefix("POSTGATE_").lower(): value for name, value in stack.gateway_environ().items()
    }
    text = token(stack)
    shown = console("check", "--token", "-", stdin=text + "\n", **settings)
    assert (shown.status, text in shown.stdout + shown.stderr) == (0, False)
    assert "PostgREST accepts the token." in shown.stdout
    assert console("check", "--token", "bad", **settings).status == 1


# --- as PostgREST reads a token, so does the gateway


@pytest.mark.parametrize(
    ("path", "claims", "role"),
    [
        (".realm_access.roles[1]", {"realm_access": {"roles": ["offline_access", ROLE]}}, ROLE),
        ('."https://app.example/role"', {"https://app.example/role": ROLE}, ROLE),
        (".realm_access.roles[7]", {"realm_access": {"roles": [ROLE]}}, "anon"),
        (".role", {"role": ROLE}, ROLE),
    ],
)
async def test_the_role_is_found_at_the_same_path(
    stack: DevStack, postgrest_with: PostgrestWith, path: str, claims: dict[str, Any], role: str
) -> None:
    with postgrest_with(jwt_role_claim_key=path, jwt_aud="here") as postgrest:
        environ = {**stack.gateway_environ(), "POSTGATE_POSTGREST_URL": postgrest.url}
        text = token(stack, without="role", **{"exp": time() + 600.25, **claims})
        own, theirs = await verdicts(environ, text, role_claim=path, jwt_audience="here")
    assert f"as role {role}, " in own
    assert theirs == "PostgREST accepts the token."
