"""The request of an exchange on its way to the upstream: what has come, and is not written yet.

The head is written as soon as it is admitted, together with a body that came in the same read; the rest is
streamed. Bytes that cannot be written yet are kept up to a bound; beyond it the client is not read.
"""

from typing import Final

from app.core.http.heads import LAST_CHUNK, chunk
from app.errors import BodyTooLarge
from app.proxy.limits import Limits
from app.proxy.pace import BodyPace

_MOST_BYTES: Final = 65_536  # of a body, while there is no connection


class RequestBuffer:
    """One request's. It knows neither the client nor the upstream."""

    body_bytes = 0  # that have come
    _pace: BodyPace | None = None  # once a tick finds that the body still comes

    def __init__(self, head: bytes, *, is_chunked: bool, limit: int) -> None:
        """`limit`: the most bytes of the body; 0: any number."""
        self._is_chunked = is_chunked
        self._limit = limit
        self._pending = [head]

    @property
    def is_full(self) -> bool:
        return self.body_bytes > _MOST_BYTES

    def replace_head(self, head: bytes) -> None:
        """Take another head, in the place of the first one, of which nothing is written."""
        self._pending[0] = head

    def restart(self, head: bytes) -> None:
        """Begin again, for a request without a body."""
        self._pending = [head]

    def add(self, data: bytes) -> None:
        """Take a piece of the body. Raises BodyTooLarge."""
        self.body_bytes += len(data)
        if self._limit and self.body_bytes > self._limit:
            raise BodyTooLarge
        self._pending.append(chunk(data) if self._is_chunked else data)

    def end(self) -> None:
        """Take the end of the body."""
        if self._is_chunked:
            self._pending.append(LAST_CHUNK)

    def take(self) -> bytes:
        """The bytes to write now; they are not kept."""
        pending = self._pending
        if not pending:
            return b""
        self._pending = []
        return pending[0] if len(pending) == 1 else b"".join(pending)

    def is_late(self, seconds: float, limits: Limits) -> bool:
        """Whether the body comes too slowly, with `seconds` of reading since the last look."""
        pace = self._pace = self._pace or BodyPace()
        pace.came = self.body_bytes
        return pace.is_late(seconds, limits)
