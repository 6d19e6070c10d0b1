"""The bounds of a response besides its body: head, interim responses, the framing of chunks."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from app.core.http.headers import Header
from app.core.http.response_heads import check_size
from app.core.relay.response_headers import ResponseHeaders
from app.errors import UpstreamBroken
from app.proxy.limits import Limits

_MAX_INTERIM: Final = 20
_FRAMING_PER_BYTE: Final = 8  # chunks of one byte are still fine


class ResponseBounds:
    """One connection's, for one response after the other. Each check raises UpstreamBroken."""

    __slots__ = ("_framing_bytes", "_head_bytes", "_interim", "body_bytes")

    def __init__(self) -> None:
        self.body_bytes = 0  # of the body, in this read
        self.begin()

    def begin(self) -> None:
        """Begin a response."""
        self._head_bytes = self._framing_bytes = self._interim = 0

    def begin_read(self, count: int, *, in_head: bool) -> None:
        """Begin a read. If it begins in the head, the start of the body may be in it as well."""
        self.body_bytes = 0
        if in_head:
            self._head_bytes += count

    def check_unfinished_head(self, headers: Sequence[Header], limits: Limits) -> None:
        """Check a head of which more is to come."""
        if self._head_bytes > limits.head_bytes or len(headers) > limits.header_count:
            raise UpstreamBroken(reason="head too large")

    def check_head(self, headers: Sequence[Header], limits: Limits) -> None:
        """Check a whole head, header by header only where so much was read that it may be too large."""
        if self._head_bytes > limits.head_bytes or len(headers) > limits.header_count:
            check_size(headers, head_bytes=limits.head_bytes, header_count=limits.header_count)

    def count_interim(self) -> None:
        self._interim += 1
        if self._interim > _MAX_INTERIM:
            raise UpstreamBroken(reason="too many interim responses")

    def check_framing(self, read: int, limits: Limits) -> None:
        """Check chunk extensions and trailers around the body of this read."""
        self._framing_bytes = max(0, self._framing_bytes + read - _FRAMING_PER_BYTE * self.body_bytes)
        if self._framing_bytes > limits.head_bytes:
            raise UpstreamBroken(reason="chunk framing")


def ends_by_closing(status: int, headers: ResponseHeaders) -> bool:
    """Whether only the end of the connection ends the response (RFC 9112 section 6.3)."""
    is_framed = headers.content_length is not None or headers.transfer_encoding is not None
    return not is_framed and status not in {HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED}
