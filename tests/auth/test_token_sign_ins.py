"""A token in a reply becomes the session's cookies, and the body is what the kind of client needs."""

import json
import time
from typing import Any

import pytest
from core.builders import SECRET, mint

from app.auth.calls import FunctionCall
from app.auth.json_members import read_path
from app.auth.replies import Reply
from app.auth.token_sign_ins import TokenBody, TokenRules, TokenSignIns
from app.core.session.cookies import name_of, value_of
from app.core.tokens.jwk import hmac_key
from app.core.tokens.verify import TokenVerifier, VerifiedToken
from app.errors import TokenUnusable

pytestmark = pytest.mark.anyio

KEY = hmac_key(SECRET)
MEMBERS = [read_path(text) for text in ("token", "access_token", "data.jwt")]
EXP = int(time.time()) + 86_400


def token(**claims: Any) -> str:
    return mint({"role": "web", "exp": EXP, **claims})


async def sign_in(
    body: object,
    *,
    is_page: bool = False,
    mode: TokenBody = "auto",
    name: str = "login",
    status: int = 200,
    sets: tuple[bytes, ...] = (),
    adopted: list[bytes] | None = None,
    media: bytes = b"application/json; charset=utf-8",
) -> Reply:
    raw = body if isinstance(body, bytes) else json.dumps(body, separators=(",", ":")).encode()

    async def call(_: FunctionCall) -> Reply:
        return Reply(status, [(b"Content-Type", media), *((b"Set-Cookie", value) for value in sets)], raw)

    async def adopt(_: FunctionCall, __: VerifiedToken) -> list[bytes] | None:
        return adopted

    rules = TokenRules(MEMBERS, mode, b"access_token", b"refresh_token", KEY, TokenVerifier([KEY]))
    functions = TokenSignIns(call, rules, functions={"login", "renew"}, adopted={"login"}, adopt=adopt)
    return await functions.call(FunctionCall(name, f"/rpc/{name}", b"", [], b"{}", is_page=is_page))


def cookies(reply: Reply) -> dict[bytes, bytes]:
    written = [value for name, value in reply.headers if name.lower() == b"set-cookie"]
    return {name_of(value): value for value in written}


async def test_the_cookie_has_the_claims_and_its_own_ids() -> None:
    given = token(sub="7")
    first, second = [cookies(await sign_in({"token": given})) for _ in range(2)]
    tokens = [value_of(found[b"access_token"]) for found in (first, second)]
    claims = [TokenVerifier([KEY]).verify(held, time.time()).claims for held in tokens]
    assert [(c["role"], c["sub"], c["exp"]) for c in claims] == [("web", "7", EXP)] * 2
    assert claims[0]["sid"] != claims[1]["sid"]
    assert claims[0]["jti"] != claims[1]["jti"]
    assert b"; Path=/; HttpOnly; SameSite=Lax; Max-Age=" in first[b"access_token"]
    assert b"refresh_token" not in first


@pytest.mark.parametrize(
    "body",
    [
        lambda held: {"token": held},
        lambda held: {"user": {"id": 1}, "access_token": held},
        lambda held: {"data": {"jwt": held}},
        lambda held: held,
        lambda held: [{"token": held, "id": 1.5}],
    ],
)
async def test_other_clients_get_the_body_as_it_was(body: Any) -> None:
    sent = json.dumps(body(token())).encode()  # with blanks: byte for byte
    reply = await sign_in(sent)
    assert (reply.status, reply.body) == (200, sent)
    assert b"access_token" in cookies(reply)


async def test_a_page_gets_it_without_the_token() -> None:
    reply = await sign_in({"token": token(), "user": {"id": 1}}, is_page=True)
    assert (reply.status, reply.body) == (200, b'{"user":{"id":1}}')


@pytest.mark.parametrize("body", [lambda text: {"token": text}, lambda text: text, lambda text: [text]])
async def test_if_nothing_is_left_there_is_no_content(body: Any) -> None:
    reply = await sign_in(body(token()), is_page=True)
    assert (reply.status, reply.body) == (204, b"")
    assert b"content-type" not in {name.lower() for name, _ in reply.headers}


@pytest.mark.parametrize(
    ("mode", "is_page", "is_kept"), [("keep", True, True), ("strip", False, False), ("auto", False, True)]
)
async def test_a_setting_decides_it_for_all(mode: TokenBody, *, is_page: bool, is_kept: bool) -> None:
    reply = await sign_in({"token": token(), "id": 1}, mode=mode, is_page=is_page)
    assert (b"token" in reply.body) is is_kept


async def test_a_refresh_token_becomes_the_refresh_cookie() -> None:
    reply = await sign_in({"token": token(), "refresh_token": "r-1", "id": 1}, is_page=True)
    assert value_of(cookies(reply)[b"refresh_token"]) == b"r-1"
    assert reply.body == b'{"id":1}'


async def test_a_refresh_token_that_no_cookie_can_hold_stays_in_the_body() -> None:
    reply = await sign_in({"token": token(), "refresh_token": "a b"}, is_page=True)
    assert reply.body == b'{"refresh_token":"a b"}'
    assert b"refresh_token" not in cookies(reply)


async def test_an_adopted_session_has_the_cookies_of_sql() -> None:
    own = [b"access_token=a; Path=/", b"refresh_token=r; Path=/"]
    reply = await sign_in({"token": token(), "refresh_token": "r-1"}, adopted=own, is_page=True)
    assert list(cookies(reply).values()) == own
    assert reply.status == 204


async def test_a_renewal_is_never_adopted() -> None:
    reply = await sign_in({"token": token()}, adopted=[b"access_token=a"], name="renew")
    assert value_of(cookies(reply)[b"access_token"]) != b"a"


@pytest.mark.parametrize(
    "body", [{"error": "no", "token": token()}, None, [], {"token": None}, {"token": "a.b.c"}]
)
async def test_a_failed_sign_in_stays_what_it_is(body: object) -> None:
    reply = await sign_in(body, is_page=True)
    assert (reply.status, json.loads(reply.body)) == (200, body)
    assert not cookies(reply)


async def test_a_cookie_of_the_function_stands() -> None:
    reply = await sign_in({"token": token()}, sets=(b"access_token=own; Path=/",), is_page=True)
    assert cookies(reply) == {b"access_token": b"access_token=own; Path=/"}
    assert b"token" in reply.body


async def test_other_functions_and_errors_stay_what_they_are() -> None:
    for reply in (
        await sign_in({"token": token()}, name="other", is_page=True),
        await sign_in({"token": token()}, status=400, is_page=True),
    ):
        assert not cookies(reply)
        assert b"token" in reply.body


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            mint({"role": "web", "exp": EXP}, key=b"another secret of at least 32 bytes"),
            "login: bad signature",
        ),
        (mint({"role": "web", "exp": 1}), "login: expired"),
        (mint({"role": "web"}), "login: exp missing"),
    ],
)
async def test_a_token_that_does_not_verify_is_an_error_with_the_reason(bad: str, reason: str) -> None:
    with pytest.raises(TokenUnusable) as raised:
        await sign_in({"token": bad})
    assert raised.value.reason == reason
    assert not raised.value.headers


async def test_a_client_that_asks_for_csv_keeps_it_unless_tokens_are_taken_out() -> None:
    csv = f"token,id\n{token()},1".encode()
    kept = await sign_in(csv, media=b"text/csv; charset=utf-8")
    assert (kept.status, kept.body) == (200, csv)
    assert b"access_token" in cookies(kept)
    assert (await sign_in(csv, media=b"text/csv; charset=utf-8", is_page=True)).status == 204
