"""CVE-2022-29217, CVE-2024-33663: a public key, known to all, was taken for the secret of an HMAC."""

from typing import Any

import pytest
from jwt.algorithms import Algorithm
from jwt.exceptions import InvalidKeyError
from typing_extensions import override

from app.core.tokens.verify import Key, TokenVerifier, hmac_key
from app.errors import TokenRejected
from core.builders import NOW, sign

PUBLIC_KEY = (
    b"-----BEGIN PUBLIC KEY-----\n"
    b"MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n"
    b"-----END PUBLIC KEY-----\n"
)
PAYLOAD = b'{"role":"web","exp":%d}' % (NOW + 600)


class _Asymmetric(Algorithm):
    """Stands for any algorithm with a public key: no HMAC is a signature of its private one."""

    @override
    def prepare_key(self, key: Any) -> Any:
        return key

    @override
    def sign(self, msg: bytes, key: Any) -> bytes:
        raise NotImplementedError

    @override
    def verify(self, msg: bytes, key: Any, sig: bytes) -> bool:
        return False

    @staticmethod
    @override
    def to_jwk(key_obj: Any, as_dict: Any = False) -> Any:
        raise NotImplementedError

    @staticmethod
    @override
    def from_jwk(jwk: Any) -> Any:
        raise NotImplementedError


@pytest.mark.parametrize("alg", ["HS256", "RS256"])
def test_a_token_signed_with_the_public_key_is_refused(alg: str) -> None:
    judge = TokenVerifier([Key("RS256", _Asymmetric(), PUBLIC_KEY)])
    with pytest.raises(TokenRejected):
        judge.verify(sign(b'{"alg":"%b"}' % alg.encode(), PAYLOAD, key=PUBLIC_KEY), NOW)


def test_the_algorithm_is_the_keys_and_never_the_tokens() -> None:
    secret = b"a secret of ours that is long enough"
    judge = TokenVerifier([hmac_key(secret)])
    with pytest.raises(TokenRejected):
        judge.verify(sign(b'{"alg":"RS256"}', PAYLOAD, key=secret), NOW)


def test_a_public_key_is_not_taken_for_a_secret() -> None:
    with pytest.raises(InvalidKeyError):
        hmac_key(PUBLIC_KEY)
