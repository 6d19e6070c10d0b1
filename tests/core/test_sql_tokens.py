"""What SQL signed leaves the gateway as a token of the gateway's, with its claims."""

from typing import Any

import jwt
import pytest
from jwt.types import Options

from app.core.tokens.jwk import hmac_key, read_key
from app.core.tokens.mint import mint as mint_token
from app.core.tokens.sql_tokens import SqlTokens, sql_keys
from app.core.tokens.verify import TokenVerifier
from app.errors import TokenRejected

from .builders import NOW, OTHER_SECRET, key_pair, mint

SQL_SECRET = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
PAIR = read_key({**key_pair("P-256"), "kid": "first"})
OF_BYTES, OF_TEXT = sql_keys(SQL_SECRET)


def claims_of(token: bytes, key: Any = PAIR) -> dict[str, Any]:
    material = key.material if key.is_symmetric else jwt.PyJWK(key.public_jwk()).key
    options: Options = {"verify_exp": False, "verify_iat": False, "verify_aud": False}
    return dict(jwt.decode(token, material, key.algorithms, options=options))


def minter(verifier: TokenVerifier | None = None) -> SqlTokens:
    return SqlTokens((OF_BYTES, OF_TEXT), PAIR, verifier or TokenVerifier([PAIR]))


@pytest.mark.parametrize("key", [OF_BYTES, OF_TEXT], ids=["decoded", "as text"])
def test_a_token_of_sqls_is_minted_anew_with_its_claims(key: Any) -> None:
    claims = {"role": "web", "sub": "u1", "exp": NOW + 600, "iat": NOW, "jti": "proof.1", "x": [1.5, "é"]}
    minted = minter().replaced(mint(claims, key=key.material).encode(), NOW, "new")
    assert claims_of(minted) == {**claims, "iat": NOW - 30}
    header = jwt.get_unverified_header(minted)
    assert header == {"alg": "ES256", "typ": "JWT", "kid": "first"}


def test_a_token_without_an_id_gets_one() -> None:
    minted = minter().replaced(mint(key=OF_TEXT.material).encode(), NOW, "new")
    assert claims_of(minted)["jti"] == "new"


@pytest.mark.parametrize(
    "token", [mint(key=OTHER_SECRET).encode(), b"eyJ.no.token", b"", mint(key=OF_TEXT.material).encode()[:-1]]
)
def test_any_other_token_is_left_as_it_is(token: bytes) -> None:
    assert minter().replaced(token, NOW, "new") is token


def test_what_json_cannot_write_is_left_as_it_is() -> None:
    token = jwt.encode({"role": "web", "exp": NOW + 600, "x": 10**400}, OF_TEXT.material, "HS256")
    huge = token.encode()
    assert minter().replaced(huge, NOW, "new") != huge  # an integer of any size can be written
    with pytest.raises(ValueError, match="JSON"):
        mint_token({"x": float("inf")}, PAIR)


def test_what_was_minted_is_known_to_the_verifier_and_what_sql_signed_is_not() -> None:
    verifier = TokenVerifier([PAIR])
    of_sql = mint(key=OF_TEXT.material).encode()
    minted = minter(verifier).replaced(of_sql, NOW, "new")
    assert minted in verifier._good
    assert verifier.verify(minted, NOW).subject == "u1"
    for judge in (verifier, TokenVerifier([PAIR, hmac_key(OTHER_SECRET)])):
        with pytest.raises(TokenRejected):
            judge.verify(of_sql, NOW)


def test_claims_that_are_refused_are_minted_and_refused_when_they_come_back() -> None:
    verifier = TokenVerifier([PAIR])
    minted = minter(verifier).replaced(
        mint({"role": "postgres", "exp": NOW + 600}, key=OF_TEXT.material).encode(), NOW, "new"
    )
    assert claims_of(minted)["role"] == "postgres"
    with pytest.raises(TokenRejected) as refused:
        verifier.verify(minted, NOW)
    assert refused.value.reason == "role reserved"
