"""The decisions of `auth.admit` about tokens of other issuers, and the tokens minted from them.

A decision holds for five minutes at most, and never past the token's `exp`. PostgREST gets a token of 60
seconds, which is minted again from the decision while that holds: no request for a known token waits. A
revocation drops the decisions about a subject at once. `app/auth/issuers` supplies decisions.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from app.core.session.revocations import Revocations
from app.core.tokens.issued import IssuedToken, subject_digest, unverified_issuer
from app.core.tokens.jwk import Key
from app.core.tokens.mint import mint
from app.core.tokens.role_claim import RoleClaim
from app.core.tokens.verify import TokenVerifier, VerifiedToken
from app.errors import AdmissionDenied, TokenRejected

_DECIDED_SECONDS: Final = 300
_DENIED_SECONDS: Final = 60
_MINTED_SECONDS: Final = 60
_USED_SECONDS: Final = 30  # of these; the rest is for the way to PostgREST, its queue included
_BACKDATED_SECONDS: Final = 30  # PostgREST rejects a token that was issued in the future, and clocks differ
# A stream of a revoked subject ends at the next tick, and no minted token is used longer than this
_REVOKED_SECONDS: Final = 600
# Of the gateway: `sid` and `jti` prove a session of this database, and none of another issuer's is one
_RESERVED: Final = frozenset({"role", "iss", "aud", "exp", "nbf", "iat", "sid", "jti"})


@dataclass(frozen=True, slots=True)
class Minting:
    """How tokens for PostgREST are minted, as the settings say."""

    signing: Key
    role_claim: RoleClaim
    anon_role: str
    audience: str | None = None
    leeway_seconds: int = 0


@dataclass(slots=True)
class _Decision:
    """One decision about one token."""

    token: IssuedToken
    claims: dict[str, Any]
    session: str  # this gateway's name for the subject, under which it is revoked
    until: float  # seconds since the epoch
    denied: str = ""  # why
    minted: VerifiedToken | None = None


class Admissions:
    """The decisions of one process, by the digest of the token; bounded, the oldest entry is evicted."""

    def __init__(
        self,
        issuers: Collection[str],
        minting: Minting,
        revocations: Revocations,
        *,
        remembered: int = 10_000,
    ) -> None:
        self.revision = 0  # changes with each revocation: a decision made meanwhile may be outdated
        self._issuers = frozenset(issuers)
        self._minting = minting
        self._revocations = revocations
        self._remembered = remembered
        self._decisions: dict[bytes, _Decision] = {}
        self._epochs: dict[str, tuple[int, float]] = {}  # of revoked subjects: the number, and until when

    def adopt(self, minting: Minting) -> None:
        """Mint in another way from now on; decisions hold."""
        self._minting = minting
        for decision in self._decisions.values():
            decision.minted = None

    @property
    def leeway_seconds(self) -> int:
        """The tolerated clock difference."""
        return self._minting.leeway_seconds

    def is_of_issuer(self, token: bytes) -> bool:
        """Whether a token claims to be from one of the issuers."""
        return unverified_issuer(token) in self._issuers

    def find(self, token: bytes, verifier: TokenVerifier, now: float) -> VerifiedToken | None:
        """The minted token in place of this one at `now` (seconds since the epoch); None: undecided.

        Raises AdmissionDenied, or RevocationsUnavailable.
        """
        digest = sha256(token).digest()
        decision = self._decisions.get(digest)
        if decision is None:
            return None
        if now >= decision.until or decision.session in self._revocations.revoked:
            del self._decisions[digest]
            return None
        if decision.denied:
            raise AdmissionDenied(reason=decision.denied)
        minted = decision.minted
        if minted is None or not verifier.is_live(minted, now):
            minted = decision.minted = self._mint(decision, verifier, now)
        return minted

    def keep(  # noqa: PLR0917
        self,
        token: bytes,
        issued: IssuedToken,
        result: Mapping[str, Any] | None,
        verifier: TokenVerifier,
        now: float,
        revision: int,
    ) -> bool:
        """Keep a decision: role and claims, or None to deny. False if a revocation came after `revision`."""
        if revision != self.revision:
            return False
        leeway = self._minting.leeway_seconds
        decision = _Decision(
            issued, {}, self._session(issued), min(now + _DECIDED_SECONDS, issued.expires_at + leeway)
        )
        if result is None:
            decision.denied = "auth.admit returned null"
        else:
            try:
                decision.claims = self._claims(result)
                decision.minted = self._mint(decision, verifier, now)
            except (TokenRejected, ValueError) as error:
                decision.denied = f"the result of auth.admit: {error}"
        if decision.denied:
            decision.until = min(decision.until, now + _DENIED_SECONDS)
        if len(self._decisions) >= self._remembered:
            del self._decisions[next(iter(self._decisions))]
        self._decisions[sha256(token).digest()] = decision
        return True

    def revoke(self, subject: str, now: float) -> None:
        """Drop the decisions about a subject, and end its streams. `subject` is its digest."""
        self.revision += 1
        for past in [past for past, (_, until) in self._epochs.items() if until <= now]:
            del self._epochs[past]
        self._revocations.revoke(self._session_of(subject), now + _REVOKED_SECONDS)
        # Longer than the revocation, so that no name comes back while it is revoked
        self._epochs[subject] = (self.revision, now + 2 * _REVOKED_SECONDS)

    def drop_all(self) -> None:
        """Drop all decisions: revocations may have been missed."""
        self.revision += 1
        self._decisions.clear()

    def _session(self, issued: IssuedToken) -> str:
        return self._session_of(subject_digest(issued.issuer, issued.subject))

    def _session_of(self, subject: str) -> str:
        return f"{subject}.{self._epochs.get(subject, (0, 0.0))[0]}"

    def _claims(self, result: Mapping[str, Any]) -> dict[str, Any]:
        """The result's claims, with its role where PostgREST looks for it. Raises ValueError."""
        role = result.get("role")
        if role is None:
            role = self._minting.anon_role  # in words, so that no other claim is read as the role
        if not isinstance(role, str):
            raise ValueError("role is not text")  # noqa: TRY004  one kind of error
        claims = {name: value for name, value in result.items() if name not in _RESERVED}
        return {**claims, **self._minting.role_claim.place(role)}

    def _mint(self, decision: _Decision, verifier: TokenVerifier, now: float) -> VerifiedToken:
        """A token for PostgREST, used for 30 seconds. Raises TokenRejected, ValueError for its claims."""
        issued, minting = decision.token, self._minting
        claims = {
            "sub": issued.subject,
            **decision.claims,
            "iss": issued.issuer,
            "iat": int(now) - _BACKDATED_SECONDS,
            "exp": min(int(now) + _MINTED_SECONDS, issued.expires_at),
        }
        if minting.audience is not None:
            claims["aud"] = minting.audience
        # The verifier adds the leeway to this
        used_until = min(now + _USED_SECONDS, decision.until) - minting.leeway_seconds
        return verifier.read_minted(
            mint(claims, minting.signing), claims, decision.session, used_until, issued.expires_at
        )
