"""Verify access tokens (RFC 7519, RFC 8725): claims that a key of the ring signed, within their time.

The signature is checked first, over the bytes as they came, with the algorithms that each key is for. The
claims are read strictly afterwards, because PostgREST and other readers disagree about duplicate keys, byte
order marks and odd dates. The clock is an argument.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from app.core.session.revocations import Revocations
from app.core.tokens.jwk import Key
from app.core.tokens.jws import has_control, read_object, verified_payload
from app.core.tokens.role_claim import MISSING, read_role_claim
from app.errors import RevocationsUnavailable, TokenRejected

MAX_TOKEN_BYTES = 8192
EXPIRED = "token expired"  # the reason for ending a stream
REASON_EXPIRED = "expired"  # the reason for rejecting a request
_ENDED = "session ended"
_NEWS_SECONDS = 60
MAX_ROLE_BYTES = 63  # NAMEDATALEN - 1: Postgres cuts longer names, and two roles become one
_LAST_SECOND = 253_402_300_799  # year 9999: PostgREST takes later dates, which means "never expires"
_DIGEST = "sha256:"  # before the digest of a token, so that it is not the id of a session
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")
# `set role none` is the authenticator itself; the others hold more than any request should.
_RESERVED_ROLES = frozenset({"none", "public", "postgres", "authenticator"})


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A token whose signature and claims are good; its time is checked again at every use."""

    authorization: bytes  # the header line for the upstream: what was verified is what is sent
    role: str  # the anonymous role where the token names none
    subject: str | None
    session: str | None  # the claim `sid`
    digest: str | None  # of a token without one, which can be revoked by it
    expires_at: float  # seconds since the epoch, with the token's own fraction; infinite without `exp`
    not_before: float
    claims: dict[str, Any]

    @property
    def identity(self) -> bytes:
        """Header lines that tell an upstream who asks; text beyond ASCII as percent escapes of its UTF-8."""
        subject = quote(self.subject or "", safe=_PRINTABLE).encode()
        role = quote(self.role, safe=_PRINTABLE).encode()
        return b"X-Auth-Subject: %b\r\nX-Auth-Role: %b\r\n" % (subject, role)


class TokenVerifier:
    """Verifies tokens against a key ring, and caches the valid ones.

    The cache is keyed by the token's bytes and bounded. Time is compared at every call, so no entry outlives
    `exp`. A changed key ring needs a new verifier, whose cache is empty.
    """

    def __init__(
        self,
        keys: Sequence[Key],
        *,
        role_claim: str = "role",
        anon_role: str = "anon",
        audience: str | None = None,
        leeway_seconds: int = 0,
        requires_exp: bool = True,
        revocations: Revocations | None = None,
        remembered: int = 10_000,
    ) -> None:
        self._keys = tuple(keys)
        self._role_claim = read_role_claim(role_claim)
        self._anon_role = anon_role
        self._requires_exp = requires_exp
        self._audience = audience
        self._leeway = leeway_seconds
        self._revocations = Revocations() if revocations is None else revocations
        self._remembered = remembered
        self._good: dict[bytes, VerifiedToken] = {}

    def verify(self, token: bytes, now: float) -> VerifiedToken:
        """The token's verified form at `now` (seconds since the epoch). Raises TokenRejected."""
        verified = self._good.get(token)
        if verified is None:
            if len(token) > MAX_TOKEN_BYTES:
                raise TokenRejected(reason="too long")
            verified = self._keep(token, read_object(verified_payload(token, self._keys)))
        if now >= verified.expires_at + self._leeway:
            self._good.pop(token, None)
            raise TokenRejected(reason=REASON_EXPIRED)
        if now < verified.not_before - self._leeway:
            raise TokenRejected(reason="not yet valid")
        if verified.session in self._revocations.revoked or self._is_revoked_alone(verified):
            raise TokenRejected(reason=_ENDED)
        return verified

    def verify_new(self, token: bytes, now: float) -> VerifiedToken:
        """The verified form of a token that a login function has just made. Raises TokenRejected.

        A revocation does not count: a token without `jti` has the same bytes as one that the function made
        for the same user earlier in this second, and the user may have signed out and in since.
        """
        try:
            return self.verify(token, now)
        except TokenRejected as rejected:
            if rejected.reason != _ENDED:
                raise
            return self._good[token]

    def is_live(self, verified: VerifiedToken, now: float) -> bool:
        """Whether a token of this verifier is within its time, and its session has not ended."""
        if not verified.not_before - self._leeway <= now < verified.expires_at + self._leeway:
            return False
        try:
            return verified.session not in self._revocations.revoked and not self._is_revoked_alone(verified)
        except RevocationsUnavailable:
            return False

    def read_good(self, token: bytes, now: float) -> VerifiedToken | None:
        """The token's verified form, if it is valid and its session has not ended."""
        with suppress(TokenRejected, RevocationsUnavailable):
            return self.verify(token, now)
        return None

    def revoke(self, session: str, now: float) -> None:
        """Reject a session's tokens for a minute, until the notification of its end arrives."""
        self._revocations.revoke(session, now + _NEWS_SECONDS)

    def revoke_token(self, verified: VerifiedToken) -> None:
        """Refuse a token from now on, and the others of its session."""
        revoked = verified.session or verified.digest
        if revoked is not None:
            self._revocations.revoke(revoked, verified.expires_at + self._leeway)

    def why_over(self, verified: VerifiedToken, now: float) -> str:
        """Why a stream that was admitted with a token must end at `now`; empty: it may continue."""
        if verified.session in self._revocations or self._is_revoked_alone(verified):
            return "session ended"
        expires_at = self._revocations.expiries.latest(verified.session, verified.expires_at)
        return EXPIRED if now >= expires_at + self._leeway else ""

    def _is_revoked_alone(self, verified: VerifiedToken) -> bool:
        """Whether a token without a session was revoked by its digest."""
        return verified.digest is not None and verified.digest in self._revocations

    def adopt_minted(self, token: bytes, claims: dict[str, Any]) -> None:
        """Cache a token that was just signed with one of the keys. Raises TokenRejected for its claims."""
        if len(token) > MAX_TOKEN_BYTES:
            raise TokenRejected(reason="too long")
        self._keep(token, claims)

    def has_cached(self, token: bytes) -> bool:
        """Whether these bytes were good before; their time and session are still to be checked."""
        return token in self._good

    def read_minted(
        self, token: bytes, claims: dict[str, Any], session: str, used_until: float, streams_until: float
    ) -> VerifiedToken:
        """A token minted in place of another issuer's, which is not to be cached. Raises TokenRejected.

        `session` is what it is revoked by. Requests use it until `used_until`, and its streams last until
        `streams_until` (seconds since the epoch).
        """
        self._revocations.expiries.record(session, streams_until)
        return replace(self._check_claims(token, claims), session=session, digest=None, expires_at=used_until)

    def _keep(self, token: bytes, claims: dict[str, Any]) -> VerifiedToken:
        verified = self._check_claims(token, claims)
        if len(self._good) >= self._remembered:
            del self._good[next(iter(self._good))]
        self._good[token] = verified
        if verified.session is not None:
            self._revocations.expiries.record(verified.session, verified.expires_at)
        return verified

    def _check_claims(self, token: bytes, claims: dict[str, Any]) -> VerifiedToken:
        expires_at = read_date(claims, "exp")
        if expires_at is None:
            if self._requires_exp:
                raise TokenRejected(reason="exp missing")
            expires_at = float("inf")
        not_before = max(read_date(claims, "nbf") or 0.0, read_date(claims, "iat") or 0.0)
        subject = claims.get("sub")
        if subject is not None and (not isinstance(subject, str) or has_control(subject)):
            raise TokenRejected(reason="sub not plain text")
        audience = claims.get("aud")
        # PostgREST takes a token that names no audience for one that is for every audience
        if self._audience is not None and audience not in (None, []) and not _names(audience, self._audience):
            raise TokenRejected(reason="audience")
        session = _session(claims)
        return VerifiedToken(
            authorization=b"Authorization: Bearer %b\r\n" % token,
            role=self._role(claims),
            subject=subject,
            session=session,
            digest=_DIGEST + sha256(token).hexdigest() if session is None else None,
            expires_at=expires_at,
            not_before=not_before,
            claims=claims,
        )

    def _role(self, claims: dict[str, Any]) -> str:
        role = self._role_claim.find(claims)
        if role is MISSING:
            return self._anon_role  # as PostgREST has it: `db-pre-request` may map the other claims
        if not isinstance(role, str) or not role or has_control(role) or role != role.strip():
            raise TokenRejected(reason="role not plain text")
        if len(role.encode()) > MAX_ROLE_BYTES or '"' in role:
            raise TokenRejected(reason="role not a role name")
        if role in _RESERVED_ROLES or role.startswith("pg_"):
            raise TokenRejected(reason="role reserved")
        return role


def read_date(claims: dict[str, Any], name: str) -> float | None:
    """A NumericDate: seconds since the epoch, a fraction included (RFC 7519 section 2). None: absent or null.

    Nothing is rounded: PostgREST compares the fraction as well. Raises TokenRejected.
    """
    value = claims.get(name)
    if value is None:
        return None
    if type(value) not in (int, float) or not -_LAST_SECOND <= value <= _LAST_SECOND:
        raise TokenRejected(reason=f"{name} not a date")
    return float(value)


def _session(claims: dict[str, Any]) -> str | None:
    """The session's id, or None. An id that is no text is another issuer's, and cannot be ended here."""
    session = claims.get("sid")
    return session if isinstance(session, str) else None


def _names(audience: object, wanted: str) -> bool:
    if isinstance(audience, list):
        return wanted in audience and all(isinstance(entry, str) for entry in audience)
    return audience == wanted
