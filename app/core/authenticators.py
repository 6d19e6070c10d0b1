"""Authenticators: each turns one kind of credential into claims.

`Admission` calls them in order. The first that finds a credential of its kind decides, so that a rejected
credential never falls back to a weaker one. Native base class instead of a Protocol: mypyc calls its methods
through a table.
"""

from abc import abstractmethod
from typing import Final

from typing_extensions import override

from app.core.facts import Facts
from app.core.tokens.admissions import Admissions
from app.core.tokens.credentials import bearer
from app.core.tokens.verify import REASON_EXPIRED, TokenVerifier, VerifiedToken
from app.errors import CookieAmbiguous, TokenExpired, TokenRejected


class Undecided(Exception):
    """A token that claims to be from a configured issuer: its request waits until it is decided."""

    def __init__(self, token: bytes) -> None:
        super().__init__()
        self.token = token


class Authenticator:
    """One kind of credential. Abstract, but no ABC at run time, as the proxy's `Cycle` is none."""

    @abstractmethod
    def authenticate(self, facts: Facts, verifier: TokenVerifier) -> VerifiedToken | None:
        """The verified token; None if the request has no credential of this kind.

        Raises TokenRejected for an invalid credential, or another GatewayError.
        """


class SessionCookie(Authenticator):
    """The access cookie. Two different cookies with one name, access or refresh, are rejected."""

    @override
    def authenticate(self, facts: Facts, verifier: TokenVerifier) -> VerifiedToken | None:
        cookies = facts.cookies
        if cookies.ambiguous:
            raise CookieAmbiguous
        return verifier.verify(cookies.access, facts.now) if cookies.access else None


class BearerToken(Authenticator):
    """An access token in `Authorization: Bearer` (RFC 6750 section 2.1).

    PostgREST's clients refresh their token when its error says `JWT expired`. The signature was checked
    first, so a forger learns nothing.
    """

    @override
    def authenticate(self, facts: Facts, verifier: TokenVerifier) -> VerifiedToken | None:
        token = bearer(facts.read.authorization)
        if not token:
            return None
        try:
            return verifier.verify(token, facts.now)
        except TokenRejected as error:
            if error.reason != REASON_EXPIRED:
                raise
            raise TokenExpired(reason=error.reason) from None


class IssuerBearer(Authenticator):
    """As `BearerToken`, and tokens of the configured issuers, which no key of the ring verifies."""

    def __init__(self, admissions: Admissions) -> None:
        self._admissions = admissions
        self._ring = BearerToken()

    @override
    def authenticate(self, facts: Facts, verifier: TokenVerifier) -> VerifiedToken | None:
        """As described for the base class. Raises Undecided, and AdmissionDenied."""
        token = bearer(facts.read.authorization)
        if not token:
            return None
        if not verifier.has_cached(token):
            admitted = self._admissions.find(token, verifier, facts.now)
            if admitted is not None:
                return admitted
        try:
            return self._ring.authenticate(facts, verifier)
        except TokenRejected:
            if self._admissions.is_of_issuer(token):
                raise Undecided(token) from None
            raise


AUTHENTICATORS: Final[tuple[Authenticator, ...]] = (SessionCookie(), BearerToken())
