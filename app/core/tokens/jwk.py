"""JSON Web Keys (RFC 7517, RFC 7518, RFC 8037): what a key may be used for, decided when it is read.

A key is bound to its algorithms once, from its type, curve and `alg`; a token's header only chooses among
them (RFC 8725 section 3.1). PyJWT does the arithmetic. It ignores `use` and `key_ops`, and takes padded
base64url, so both are checked here.
"""

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import (
    Algorithm,
    ECAlgorithm,
    HMACAlgorithm,
    OKPAlgorithm,
    RSAAlgorithm,
    RSAPSSAlgorithm,
    get_default_algorithms,
)
from jwt.exceptions import InvalidKeyError

MIN_HMAC_BYTES: Final = 32  # RFC 7518 section 3.2
MIN_RSA_BITS: Final = 2048  # RFC 7518 section 3.3

_ALGORITHMS: Final[dict[str, Algorithm]] = get_default_algorithms()
_HMAC: Final = ("HS256",)
_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512"}
_OKP: Final = {"Ed25519": "EdDSA"}
VERIFIED_ALGORITHMS: Final = frozenset({*_HMAC, *_RSA, *_CURVES.values(), *_OKP.values()})
# What PostgREST verifies as well: its library (jose-jwt) has no PS256, PS384 and PS512
POSTGREST_ALGORITHMS: Final = frozenset(name for name in VERIFIED_ALGORITHMS if not name.startswith("PS"))

_is_base64url = re.compile(r"[A-Za-z0-9_-]+").fullmatch
# The members that hold numbers or bytes; `x5c`, `x5u` and the others are not read.
_BINARY: Final = ("k", "n", "e", "d", "p", "q", "dp", "dq", "qi", "x", "y")
_PRIVATE_TYPES: Final = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)


@dataclass(frozen=True, slots=True)
class Key:
    """One key, symmetric, private or public."""

    algorithms: tuple[str, ...]  # JWA names (RFC 7518 section 3.1); the first one signs
    key_id: str | None
    material: Any = field(repr=False)  # as PyJWT takes it; the bytes of a secret
    is_symmetric: bool
    can_sign: bool
    public: Any = field(default=None, repr=False)  # of a private key, which itself verifies nothing

    def verify(self, algorithm: str, signed: bytes, signature: bytes) -> bool:
        """Whether this key made a signature with one of its algorithms."""
        if algorithm not in self.algorithms:
            return False
        material = self.material if self.public is None else self.public
        return _ALGORITHMS[algorithm].verify(signed, material, signature)

    def sign(self, message: bytes) -> bytes:
        """A raw signature with the first of its algorithms. Only for keys that can sign."""
        return _ALGORITHMS[self.algorithms[0]].sign(message, self.material)

    def public_jwk(self) -> dict[str, Any]:
        """The public half, as it may be published. Raises ValueError for a symmetric key."""
        if self.is_symmetric:
            raise ValueError("a symmetric key has no public half")
        public = self.material if self.public is None else self.public
        written = _kind(self.algorithms[0]).to_jwk(public, as_dict=True)
        members = {name: written[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in written}
        named = {"kid": self.key_id} if self.key_id is not None else {}
        alg = {"alg": self.algorithms[0]} if len(self.algorithms) == 1 else {}
        return {**members, **named, **alg, "use": "sig"}


def hmac_key(secret: bytes, key_id: str | None = None) -> Key:
    """A key for HS256. Raises ValueError for a public key (CVE-2022-29217), as `read_key` does."""
    try:
        material = _ALGORITHMS["HS256"].prepare_key(secret)
    except InvalidKeyError:
        raise ValueError("is a public key or a certificate, and no secret") from None
    return Key(_HMAC, key_id, material, is_symmetric=True, can_sign=True)


def read_key(jwk: Mapping[str, Any], allowed: Iterable[str] = VERIFIED_ALGORITHMS) -> Key:
    """Read one key, for those of the `allowed` algorithms that fit it.

    Raises ValueError in words that follow "a key that", without a value.
    """
    _check_use(jwk)
    _check_binary(jwk)
    kty = jwk.get("kty")
    algorithms = tuple(name for name in _fitting(jwk) if name in frozenset(allowed))
    if not algorithms:
        raise ValueError("is for an algorithm that is not accepted here")
    key_id = jwk.get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise ValueError("has a kid that is not text")
    if kty == "oct":
        if "k" not in jwk:
            raise ValueError("has no k")
        secret = decode(jwk["k"])
        if len(secret) < MIN_HMAC_BYTES:
            raise ValueError(f"has {len(secret)} bytes, and HS256 needs at least {MIN_HMAC_BYTES}")
        return hmac_key(secret, key_id)
    material = _material(jwk, algorithms[0])
    public = material.public_key() if isinstance(material, _PRIVATE_TYPES) else None
    return Key(algorithms, key_id, material, False, public is not None, public)  # noqa: FBT003


def encode(raw: bytes) -> str:
    """Base64url without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Base64url without padding, in its only spelling. Raises ValueError."""
    if _is_base64url(text) is None or len(text) % 4 == 1:
        raise ValueError("is not base64url without padding")
    raw = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if encode(raw) != text:
        raise ValueError("is not base64url in its only spelling")
    return raw


def _check_use(jwk: Mapping[str, Any]) -> None:
    """RFC 7517 sections 4.2 and 4.3: a key for something else verifies no signature."""
    if jwk.get("use") not in {None, "sig"}:
        raise ValueError("is for another use than signatures")
    operations = jwk.get("key_ops")
    if operations is None:
        return
    if not isinstance(operations, list) or not {"sign", "verify"}.intersection(map(str, operations)):
        raise ValueError("is for other operations than signatures (key_ops)")


def _check_binary(jwk: Mapping[str, Any]) -> None:
    for name in _BINARY:
        if name not in jwk:
            continue
        value = jwk[name]
        try:
            decode(value if isinstance(value, str) else "")
        except ValueError as error:
            raise ValueError(f"has a member {name} that {error}") from None


def _fitting(jwk: Mapping[str, Any]) -> tuple[str, ...]:
    """The algorithms that the key's type and curve fit, or the one of them that its `alg` names."""
    match jwk.get("kty"):
        case "oct":
            fitting: tuple[str, ...] = _HMAC
        case "RSA":
            fitting = _RSA
        case "EC":
            fitting = _named(_CURVES, jwk.get("crv"))
        case "OKP":
            fitting = _named(_OKP, jwk.get("crv"))
        case _:
            raise ValueError("has a type (kty) besides oct, RSA, EC and OKP")
    wanted = jwk.get("alg")
    if wanted is None:
        return fitting
    if wanted not in fitting:
        raise ValueError("is for another algorithm (alg) than its type allows")
    return (wanted,)


def _named(algorithms: Mapping[str, str], curve: object) -> tuple[str, ...]:
    if not isinstance(curve, str) or curve not in algorithms:
        raise ValueError("has a curve (crv) that is not accepted here")
    return (algorithms[curve],)


def _kind(algorithm: str) -> Any:
    kinds: dict[str, type[Algorithm]] = {
        "HS": HMACAlgorithm,
        "RS": RSAAlgorithm,
        "PS": RSAPSSAlgorithm,
        "ES": ECAlgorithm,
        "Ed": OKPAlgorithm,
    }
    return kinds[algorithm[:2]]


def _material(jwk: Mapping[str, Any], algorithm: str) -> Any:
    """The key as PyJWT reads it: it checks lengths, the point on its curve, and that the halves match."""
    try:
        material = _kind(algorithm).from_jwk(dict(jwk))
    except (InvalidKeyError, ValueError, TypeError, KeyError):
        raise ValueError("is not well-formed") from None
    if isinstance(material, rsa.RSAPublicKey | rsa.RSAPrivateKey) and material.key_size < MIN_RSA_BITS:
        raise ValueError(f"has {material.key_size} bits, and RSA needs at least {MIN_RSA_BITS}")
    return material
