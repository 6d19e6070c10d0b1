"""Revoked sessions whose access tokens have not expired yet.

An access token stays valid until it expires, so its session's revocation is stored until then: rejecting it
costs one look-up and no query. `app/auth/listener.py` supplies the revocations.
"""

from collections.abc import Container

from app.core.session.expiries import TokenExpiries
from app.errors import RevocationsUnavailable


class _Unknown:
    """Contains no session, and raises for each: the revocations are unavailable."""

    def __contains__(self, session: object) -> bool:
        if session is not None:
            raise RevocationsUnavailable
        return False


class Revocations:
    """Revoked sessions, by the claim `sid`, each until all its tokens have expired.

    A token without that claim is revoked by its digest.

    `refuse_unknown`: while the database is disconnected, reject every token that names a session; otherwise
    use the revocations received so far.
    """

    def __init__(self, *, refuse_unknown: bool = False) -> None:
        self._until: dict[str, float] = {}
        self.expiries = TokenExpiries()  # of the sessions that are not revoked
        self._when_disconnected: Container[object] = _Unknown() if refuse_unknown else self._until
        # For `in`, which may raise RevocationsUnavailable
        self.revoked: Container[object] = self._when_disconnected

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, session: object) -> bool:
        return session in self._until

    def revoke(self, session: str, until: float) -> None:
        """Reject the session's tokens until then (seconds since the epoch)."""
        self._until[session] = max(until, self._until.get(session, 0.0))

    def connected(self) -> None:
        """The database is connected, and all earlier revocations are here."""
        self.revoked = self._until

    def disconnected(self) -> None:
        """The database is disconnected: later revocations are unknown."""
        self.revoked = self._when_disconnected

    def drop_expired(self, now: float) -> None:
        """Remove the sessions whose tokens have all expired at `now` (seconds since the epoch)."""
        for session in [session for session, until in self._until.items() if until <= now]:
            del self._until[session]
