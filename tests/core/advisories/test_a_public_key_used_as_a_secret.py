"""CVE-2022-29217, CVE-2024-33663: a public key, known to all, was taken for the secret of an HMAC."""

import json

import pytest

from app.core.tokens.jwk import encode, hmac_key, read_key
from app.core.tokens.verify import TokenVerifier
from app.errors import TokenRejected
from core.builders import NOW, key_pair, sign

PUBLIC_KEY = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    b"-----END PUBLIC KEY-----\n"
)
PAYLOAD = b'{"role":"web","exp":%d}' % (NOW + 600)


@pytest.mark.parametrize("alg", ["HS256", "EdDSA"])
def test_a_token_signed_with_the_public_key_is_refused(alg: str) -> None:
    public = read_key(key_pair("Ed25519")).public_jwk()
    judge = TokenVerifier([read_key(public), hmac_key(b"a secret of ours that is long enough")])
    known_to_all = [PUBLIC_KEY, json.dumps(public).encode(), public["x"].encode()]
    for key in known_to_all:
        with pytest.raises(TokenRejected):
            judge.verify(sign(b'{"alg":"%b"}' % alg.encode(), PAYLOAD, key=key), NOW)


def test_the_algorithm_is_the_keys_and_never_the_tokens() -> None:
    secret = b"a secret of ours that is long enough"
    judge = TokenVerifier([hmac_key(secret)])
    with pytest.raises(TokenRejected):
        judge.verify(sign(b'{"alg":"RS256"}', PAYLOAD, key=secret), NOW)


def test_a_public_key_is_not_taken_for_a_secret() -> None:
    with pytest.raises(ValueError, match="is a public key"):
        hmac_key(PUBLIC_KEY)
    with pytest.raises(ValueError, match="is a public key"):
        read_key({"kty": "oct", "k": encode(PUBLIC_KEY)})
