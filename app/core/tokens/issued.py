"""Tokens of other issuers, verified against the keys of their issuer (RFC 7519, RFC 8725 section 3).

Stricter than the ring: a `kid` must name a key, `aud` must be there, and so must `exp` and `sub`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from app.core.tokens.jwk import Key
from app.core.tokens.jws import decode, has_control, read_object, split_compact, verified_payload
from app.core.tokens.verify import MAX_TOKEN_BYTES, read_date
from app.errors import TokenExpired, TokenRejected


@dataclass(frozen=True, slots=True)
class IssuerRules:
    """The requirements for tokens of one issuer."""

    issuer: str
    audiences: tuple[str, ...]  # `aud` must contain one of them
    algorithms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token whose signature and claims are good."""

    issuer: str
    subject: str
    expires_at: float  # seconds since the epoch
    claims: dict[str, Any] = field(repr=False)


def unverified_issuer(token: bytes) -> str:
    """The `iss` that a token claims: it chooses the keys, and proves nothing. Empty without one."""
    parts = split_compact(token) if len(token) <= MAX_TOKEN_BYTES else None
    if parts is None:
        return ""
    try:
        issuer = read_object(decode(parts[2])).get("iss")
    except TokenRejected:
        return ""
    return issuer if isinstance(issuer, str) else ""


def key_id_of(token: bytes) -> str | None:
    """The `kid` of a token's header, not verified; None without one. Raises TokenRejected."""
    parts = split_compact(token)
    if parts is None:
        raise TokenRejected(reason="not a compact JWS")
    key_id = read_object(decode(parts[1])).get("kid")
    if key_id is not None and not isinstance(key_id, str):
        raise TokenRejected(reason="header parameter")
    return key_id


def verify_issued(
    token: bytes, keys: Sequence[Key], rules: IssuerRules, now: float, leeway: int
) -> IssuedToken:
    """The token's claims at `now`, if one of the issuer's keys signed it. Raises TokenRejected."""
    if len(token) > MAX_TOKEN_BYTES:
        raise TokenRejected(reason="too long")
    key_id = key_id_of(token)
    named = [key for key in keys if key_id is None or key.key_id == key_id]
    if not named:
        raise TokenRejected(reason="issuer: no key with this kid")
    claims = read_object(verified_payload(token, named))
    if claims.get("iss") != rules.issuer:
        raise TokenRejected(reason="issuer")
    if not _is_meant(claims.get("aud"), rules.audiences):
        raise TokenRejected(reason="issuer: audience")
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject or has_control(subject):
        raise TokenRejected(reason="issuer: sub not plain text")
    expires_at = read_date(claims, "exp")
    if expires_at is None:
        raise TokenRejected(reason="issuer: exp missing")
    if now >= expires_at + leeway:
        raise TokenExpired(reason="issuer: expired")
    if now < max(read_date(claims, "nbf") or 0.0, read_date(claims, "iat") or 0.0) - leeway:
        raise TokenRejected(reason="issuer: not yet valid")
    return IssuedToken(rules.issuer, subject, expires_at, claims)


def subject_digest(issuer: str, subject: str) -> str:
    """The subject of an issuer as notifications name it: SHA-256 in hexadecimal."""
    return sha256(f"{issuer}\n{subject}".encode()).hexdigest()


def _is_meant(audience: object, accepted: tuple[str, ...]) -> bool:
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not all(isinstance(each, str) for each in named):
        return False
    return any(each in accepted for each in named)
