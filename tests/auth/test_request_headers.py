"""What a function may read in `request.headers`: what the client sent, without what only a proxy can know."""

import json

import pytest

from app.auth.functions import AuthFunctions, FunctionCall
from app.core.http.forwarding import Client, sql_headers

from .calling import JSON

pytestmark = pytest.mark.anyio

CLAIMS = [
    *(b"forwarded", b"x-real-ip", b"x-client-ip", b"remote-user", b"x-user", b"x-role"),
    *(b"x-original-url", b"x-rewrite-url", b"x-http-method-override", b"x-request-id"),
    *(b"x-auth-subject", b"x-auth-role", b"x-remote-user", b"x-webauth-user", b"x-forwarded-user"),
    *(b"x_auth_subject", b"x_real_ip", b"x-auth_subject", b"remote_user", b"x_forwarded_for", b"a_b"),
    *(b"connection", b"keep-alive", b"te", b"upgrade", b"transfer-encoding", b"proxy-authorization"),
    *(b"cookie", b"authorization"),
]
SHOWN = [
    *(
        b"host",
        b"user-agent",
        b"accept-language",
        b"content-profile",
        b"origin",
        b"referer",
        b"sec-fetch-site",
    ),
    *(b"traceparent", b"tracestate", b"via", b"x-any", b"x-requested-with", b"idempotency-key"),
]

CLIENT = Client("192.0.2.7", "https", b"gw.test", b"")


async def _seen(functions: AuthFunctions, *lines: tuple[bytes, bytes]) -> dict[str, str]:
    sent = [(name.lower(), value) for name, value in [(b"content-type", JSON), *lines]]
    call = FunctionCall("ctx", "/rpc/ctx", b"", sql_headers(sent, CLIENT), b"{}")
    headers: dict[str, str] = json.loads((await functions.call(call)).body)["headers"]
    facts = {name: value for name, value in headers.items() if name.startswith("x-forwarded-")}
    assert facts == {
        "x-forwarded-for": "192.0.2.7",
        "x-forwarded-proto": "https",
        "x-forwarded-host": "gw.test",
    }
    return {name: value for name, value in headers.items() if name not in facts}


@pytest.mark.parametrize("name", CLAIMS)
async def test_a_claim_is_not_shown(functions: AuthFunctions, name: bytes) -> None:
    seen = await _seen(functions, (name, b"mallory"), (name.title(), b"mallory"))

    assert seen == {"content-type": JSON.decode()}


@pytest.mark.parametrize("name", SHOWN)
async def test_what_a_client_may_say_is_shown(functions: AuthFunctions, name: bytes) -> None:
    assert (await _seen(functions, (name, b"value")))[name.decode()] == "value"


async def test_nul_is_shown_as_a_replacement_character(functions: AuthFunctions) -> None:
    """Such JSON could not be read: `->>` would refuse the whole of it."""
    assert (await _seen(functions, (b"x-any", b"a\0b")))["x-any"] == "a\ufffdb"
