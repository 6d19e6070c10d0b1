"""Until when the access tokens of each session reach, so that streams of a renewed session go on.

A stream is admitted with one token and outlives it. It ends with that token, unless a later one of the same
session has been verified here meanwhile. Renewals that only other workers or gateways have seen do not count:
then the stream is cut, and its client opens it anew.
"""

from typing import Final

_SESSIONS: Final = 20_000


class TokenExpiries:
    """The latest `exp` seen of each session (seconds since the epoch), of the sessions renewed last."""

    def __init__(self, sessions: int = _SESSIONS) -> None:
        self._sessions = sessions
        self._latest: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._latest)

    def note(self, session: str, expires_at: float) -> None:
        """Note a verified token. Not for each request: a token that is verified again says nothing new."""
        latest = max(expires_at, self._latest.pop(session, 0))
        if len(self._latest) >= self._sessions:
            del self._latest[next(iter(self._latest))]
        self._latest[session] = latest

    def latest(self, session: str | None, expires_at: float) -> float:
        """Until when a stream goes on that was admitted with a token of this session and `exp`."""
        return expires_at if session is None else max(expires_at, self._latest.get(session, 0))
