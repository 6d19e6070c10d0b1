"""New keys for signing access tokens, from the system's random generator (NIST SP 800-57)."""

import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from app.settings.keys import Jwk, oct_jwk

KEY_TIME: Final = "%Y-%m-%dT%H:%M:%SZ"  # since when a key exists: the beginning of its id
_RSA_BITS: Final = 3072  # as hard as 128 bits (NIST SP 800-57 part 1, table 2), as P-256 is


def new_jwk(algorithm: str, now: datetime) -> Jwk:
    """A private or symmetric key for one of ALGORITHMS, with an id that begins with the time."""
    key_id = f"{now.astimezone(UTC).strftime(KEY_TIME)}-{secrets.token_hex(3)}"
    if algorithm == "HS256":
        return oct_jwk(_text_key(), key_id)
    members = {name: value for name, value in _PAIRS[algorithm]().items() if name != "key_ops"}
    return {**members, "alg": algorithm, "use": "sig", "kid": key_id}


def made_at(key_id: str) -> datetime | None:
    """When a key with this id was made; None for a key that was not made here."""
    try:
        return datetime.strptime(key_id.partition("Z")[0] + "Z", KEY_TIME).replace(tzinfo=UTC)
    except ValueError:
        return None


def _text_key() -> bytes:
    """256 random bits as text, so that SQL which signs with the bytes of a text can use it as well.

    The underscore keeps SQL that guesses from taking it for base64.
    """
    return f"pg_{secrets.token_urlsafe(32)}".encode()


def _es256() -> dict[str, Any]:
    return ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()), as_dict=True)


def _eddsa() -> dict[str, Any]:
    return OKPAlgorithm.to_jwk(ed25519.Ed25519PrivateKey.generate(), as_dict=True)


def _rs256() -> dict[str, Any]:
    return RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, _RSA_BITS), as_dict=True)


_PAIRS: Final[Mapping[str, Callable[[], dict[str, Any]]]] = {
    "ES256": _es256,
    "EdDSA": _eddsa,
    "RS256": _rs256,
}
ALGORITHMS: Final = (*_PAIRS, "HS256")
