"""Access tokens: verified by PyJWT, for any user name and any secret that PostgREST would take."""

import base64
import json
import re
from typing import Any

import asyncpg
import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .visitors import SECRET, SETTINGS, Connection, Visitor

pytestmark = pytest.mark.anyio

KEY = base64.b64decode(SECRET)

SIGN = "select auth_private.sign_jwt($1, $2)"
USE = "select set_config('app.settings.jwt_secret', $1, true), set_config($2, $3, true)"
IS_BASE64 = "app.settings.jwt_secret_is_base64"

# Postgres stores no U+0000 and no lone surrogates; each example of one test shares a connection
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
shared_connection = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def verified(token: str, key: bytes = KEY, **options: Any) -> dict[str, Any]:
    return jwt.decode(token, key, algorithms=["HS256"], **options)


async def key_of(connection: Connection, secret: str, is_base64: str = "true") -> bytes:
    await connection.fetch(USE, secret, IS_BASE64, is_base64)
    key: bytes = await connection.fetchval("select auth_private.jwt_key()")
    return key


async def test_the_claims(connection: Connection, visitor: Visitor) -> None:
    answer = await visitor.login()
    claims = verified(answer.cookie("access_token").value)

    now = await connection.fetchval("select extract(epoch from clock_timestamp())::float8")
    user = await connection.fetchval("select id::text from auth.user")
    assert (claims["role"], claims["username"], claims["sub"]) == ("basic_subscriber", "demo", user)
    assert (claims["amr"], claims["aal"]) == (["pwd"], 1)
    assert isinstance(claims["auth_time"], int)
    assert now - 5 < claims["auth_time"] <= now
    assert now + 595 < claims["exp"] <= now + 600
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{12}", claims["jti"])
    assert claims["sid"] == str(await connection.fetchval("select id from auth.session"))
    assert set(claims) == {
        *("role", "username", "sub", "sid", "amr", "aal", "auth_time", "iat", "exp", "jti")
    }


async def test_a_token_is_dated_half_a_minute_back_and_lives_from_now(visitor: Visitor) -> None:
    """PostgREST refuses a token from the future, and its clock may be behind the database's."""
    claims = (await visitor.login()).claims

    assert isinstance(claims["iat"], int)
    assert claims["exp"] - claims["iat"] == 630


async def test_the_head_is_the_plain_one_and_nothing_is_padded(visitor: Visitor) -> None:
    token = (await visitor.login()).cookie("access_token").value

    assert jwt.get_unverified_header(token) == {"alg": "HS256", "typ": "JWT"}
    assert "=" not in token
    assert "\n" not in token


async def test_each_token_is_its_own(visitor: Visitor) -> None:
    await visitor.login()
    identities = {verified((await visitor.refresh()).cookie("access_token").value)["jti"] for _ in range(3)}

    assert len(identities) == 3


async def test_the_audience_is_in_it_when_there_is_one(connection: Connection) -> None:
    visitor = Visitor(connection, settings={**SETTINGS, "app.settings.jwt_audience": "todo-app"})
    token = (await visitor.login()).cookie("access_token").value

    assert verified(token, audience="todo-app")["aud"] == "todo-app"


@pytest.mark.parametrize(
    ("statement", "claim", "value"),
    [
        ("update auth.user set role = 'anon'", "role", "anon"),
        ("update auth.user set email = 'Demo@example.com'", "email", "Demo@example.com"),
    ],
)
async def test_what_changes_of_a_user_is_in_the_next_token(
    connection: Connection, visitor: Visitor, statement: str, claim: str, value: str
) -> None:
    before = (await visitor.login()).claims
    await connection.execute(statement)
    after = (await visitor.refresh()).claims

    assert (before.get(claim), after[claim]) == (before.get(claim) if claim == "role" else None, value)
    assert before["sid"] != after["sid"], "the tokens before are revoked"
    assert {name: after[name] for name in ("sub", "amr", "auth_time")} == {
        name: before[name] for name in ("sub", "amr", "auth_time")
    }


@given(claims=st.dictionaries(texts, texts | st.integers() | st.lists(texts)), key=st.binary(min_size=32))
@shared_connection
async def test_whatever_is_signed_verifies(
    connection: Connection, claims: dict[str, Any], key: bytes
) -> None:
    token = await connection.fetchval(SIGN, json.dumps(claims), key)

    assert json.loads(jwt.api_jws.PyJWS().decode(token, key, algorithms=["HS256"])) == claims
    assert token.count(".") == 2


@given(data=st.binary())
@shared_connection
async def test_base64url_is_the_one_of_rfc_7515(connection: Connection, data: bytes) -> None:
    expected = base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    assert await connection.fetchval("select auth_private.base64url($1)", data) == expected


@given(key=st.binary(min_size=32, max_size=100))
@shared_connection
async def test_a_base64_secret_is_read_as_postgrest_reads_it(connection: Connection, key: bytes) -> None:
    """In either alphabet, with dots for padding, blanks around it, or no padding at all."""
    plain = base64.b64encode(key).decode()
    url = base64.urlsafe_b64encode(key).decode()
    for secret in (plain, url, url.replace("=", "."), f" {plain}\n", plain.rstrip("="), url.rstrip("=")):
        assert await key_of(connection, secret) == key


@pytest.mark.parametrize("is_base64", ["false", ""])
async def test_a_text_secret_is_its_bytes_even_if_it_looks_like_base64(
    connection: Connection, is_base64: str
) -> None:
    for secret in ("reallyreallyreallyreallyverysafe", "ä" * 16, SECRET, "{" * 32):
        assert await key_of(connection, secret, is_base64) == secret.encode()


UNFIT = {
    "missing": ("", "true", "is not configured"),
    "short text": ("x" * 31, "false", "is shorter than 32 bytes"),
    "short after decoding": (base64.b64encode(b"x" * 31).decode(), "true", "is shorter than 32 bytes"),
    "not base64": ("not base64!" * 5, "true", "is not base64"),
    "blank inside": (SECRET[:20] + "\n" + SECRET[20:], "true", "is not base64"),
    "cut off": ("A" * 45, "true", "is not base64"),
    "padding inside": ("A" * 20 + "=" + "A" * 23, "true", "is not base64"),
    "a JSON Web Key": (json.dumps({"kty": "oct", "k": SECRET}), "false", "is a JSON Web Key"),
    "neither true nor false": (SECRET, "perhaps", "neither true nor false"),
}


@pytest.mark.parametrize("why", UNFIT)
async def test_an_unfit_secret_is_refused_without_being_quoted(connection: Connection, why: str) -> None:
    secret, is_base64, words = UNFIT[why]
    with pytest.raises(asyncpg.PostgresError) as refused:
        await key_of(connection, secret, is_base64)

    assert refused.value.sqlstate == "F0000", "500 at PostgREST: the fault is the server's"
    assert words in refused.value.message
    assert not secret or secret not in repr(refused.value.as_dict())


async def test_a_server_that_cannot_sign_tells_right_and_wrong_passwords_the_same(
    connection: Connection,
) -> None:
    visitor = Visitor(connection, settings={"app.settings.jwt_secret": "short"})

    assert await visitor.login("demo", "demo") == await visitor.login("demo", "wrong")
