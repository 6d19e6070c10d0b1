"""How many bytes a request may take besides its body: the head, and the framing of chunks.

uvicorn's parser has no bound on either.
"""

from typing import Final

from app.errors import HeadTooLarge
from app.proxy.limits import Limits

_FRAMING_PER_BYTE: Final = 8  # chunks of one byte are still fine


class RequestSizes:
    """One connection's, for one request after the other."""

    __slots__ = ("_first_bytes", "_framing_bytes", "_later_bytes", "body_bytes")

    def __init__(self) -> None:
        self.body_bytes = 0  # of the body, in this read
        self.begin()

    def begin(self) -> None:
        """Begin a head."""
        self._first_bytes = 0  # of the read in which it began
        self._later_bytes = 0  # of the reads after it
        self._framing_bytes = 0
        self.body_bytes = 0

    @property
    def head_bytes(self) -> int:
        """Of the head, at most, in the reads that are over."""
        return self._first_bytes + self._later_bytes

    def begin_head(self, read: int) -> None:
        """Count a read in which an unfinished head began: it may hold other requests as well."""
        self._first_bytes = read

    def add_head(self, read: int) -> None:
        """Count a read that is of the head alone."""
        self._later_bytes += read

    def check_unfinished_head(self, fields: int, limits: Limits) -> None:
        """Check a head of which more is to come. Small fields take many times their bytes.

        A whole head is measured when it is complete; this is for one that never is. Raises HeadTooLarge.
        """
        if self._later_bytes > limits.head_bytes or fields > limits.header_count:
            raise HeadTooLarge

    def check_framing(self, read: int, limits: Limits) -> None:
        """Check what chunk extensions and trailers cost in a read of the body. Raises HeadTooLarge."""
        self._framing_bytes = max(0, self._framing_bytes + read - _FRAMING_PER_BYTE * self.body_bytes)
        self.body_bytes = 0
        if self._framing_bytes > limits.head_bytes:
            raise HeadTooLarge(reason="chunk framing")
