"""The latest expiry of each session's access tokens, so that streams of a renewed session continue.

A stream can last longer than the token with which it was admitted. It ends when that token expires, unless
this process has verified a later token of the same session. Renewals through other workers or gateways do not
count: then the stream is cut, and the client opens it again.
"""

from typing import Final

_SESSIONS: Final = 20_000


class TokenExpiries:
    """The latest `exp` of each session (seconds since the epoch); bounded, the oldest entry is evicted."""

    def __init__(self, sessions: int = _SESSIONS) -> None:
        self._sessions = sessions
        self._latest: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._latest)

    def record(self, session: str, expires_at: float) -> None:
        """Record a token when it is verified for the first time."""
        latest = max(expires_at, self._latest.pop(session, 0))
        if len(self._latest) >= self._sessions:
            del self._latest[next(iter(self._latest))]
        self._latest[session] = latest

    def latest(self, session: str | None, expires_at: float) -> float:
        """When a stream ends that was admitted with a token of this session and `exp`."""
        return expires_at if session is None else max(expires_at, self._latest.get(session, 0))
