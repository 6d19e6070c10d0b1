"""Authenticators: each turns one kind of credential into claims.

`Admission` asks them in order. The first that finds its kind in the request judges it, and no other is asked:
a refused credential never gives way to a weaker one. Classes with a method, not protocols: mypyc calls those
through a table.
"""

from typing import Final

from typing_extensions import override

from app.core.facts import Facts
from app.core.tokens.credentials import bearer
from app.core.tokens.verify import TokenVerifier, VerifiedToken
from app.errors import CookieAmbiguous


class Authenticator:
    """One kind of credential."""

    def authenticate(self, facts: Facts, verifier: TokenVerifier) -> VerifiedToken | None:
        """The claims of the request's credential; None: it has none of this kind.

        Raises GatewayError: TokenRejected for a bad one.
        """
        raise NotImplementedError


class SessionCookie(Authenticator):
    """The access cookie. Two different cookies of one name, the refresh cookie's too, are a refusal."""

    @override
    def authenticate(self, facts: Facts, verifier: TokenVerifier) -> VerifiedToken | None:
        cookies = facts.cookies
        if cookies.ambiguous:
            raise CookieAmbiguous
        return verifier.verify(cookies.access, facts.now) if cookies.access else None


class BearerToken(Authenticator):
    """An access token in `Authorization: Bearer` (RFC 6750 section 2.1)."""

    @override
    def authenticate(self, facts: Facts, verifier: TokenVerifier) -> VerifiedToken | None:
        token = bearer(facts.read.authorization)
        return verifier.verify(token, facts.now) if token else None


AUTHENTICATORS: Final[tuple[Authenticator, ...]] = (SessionCookie(), BearerToken())
