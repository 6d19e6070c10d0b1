"""The sessions that were ended while an access token of theirs is still within its time.

A token cannot be called back, so the end of its session is remembered for as long as the token could live:
refusing costs one look-up and no query. Where the news comes from is not known here.
"""

from collections.abc import Container

from app.core.session.expiries import TokenExpiries
from app.errors import RevocationsUnavailable


class _Unknown:
    """Stands for all sessions while the gateway cannot know which have ended."""

    def __contains__(self, session: object) -> bool:
        if session is not None:
            raise RevocationsUnavailable
        return False


class Revocations:
    """The deny set: ids as in the claim `sid`, each until no token of it can be valid.

    `refuse_unknown` decides what holds while the news does not come in: refuse every token that names a
    session, or go on with what is known.
    """

    def __init__(self, *, refuse_unknown: bool = False) -> None:
        self._until: dict[str, float] = {}
        self.expiries = TokenExpiries()  # of the sessions that go on
        self._otherwise: Container[object] = _Unknown() if refuse_unknown else self._until
        self.known: Container[object] = self._otherwise  # ask it with `in`; may raise RevocationsUnavailable

    def __len__(self) -> int:
        return len(self._until)

    def __contains__(self, session: object) -> bool:
        return session in self._until

    def end(self, session: str, until: float) -> None:
        """Refuse the session's tokens until then (seconds since the epoch)."""
        self._until[session] = max(until, self._until.get(session, 0.0))

    def hears(self) -> None:
        """The news comes in, and what had come before is here."""
        self.known = self._until

    def disconnected(self) -> None:
        """The news does not come in."""
        self.known = self._otherwise

    def drop_expired(self, now: float) -> None:
        """Drop those of which no token can be valid any more."""
        for session in [session for session, until in self._until.items() if until <= now]:
            del self._until[session]
