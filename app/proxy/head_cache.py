"""Decisions about request heads, for the same bytes on any connection.

The cache decides what is known and returns it as a value; the client connection acts on it. An admitted head
is admitted again by the rules of `core/known_heads.py`. A rejection is kept for one tick of the clock, so
that a client that repeats a bad request costs little; then the request is decided again.
"""

from dataclasses import dataclass
from typing import Final

from app.core.http.forwarding import Peer
from app.core.http.heads import split_at_id
from app.core.known_heads import BODILESS, KnownHead, known_head
from app.core.requests import Admitted, Request
from app.events import RequestRejected

_MOST_HEADS: Final = 2_048
_MOST_BYTES: Final = 4_096  # of a head; it is kept about four times over, in its parts
_MOST_REJECTED: Final = 256


@dataclass(frozen=True, slots=True)
class KnownRejection:
    """A rejection that may be given again to the same bytes of the same peer."""

    peer: Peer
    event: RequestRejected  # of the first one
    before: bytes  # the response up to its request id
    after: bytes  # and from there on

    def event_with(self, request_id: bytes) -> RequestRejected:
        return self.event._replace(request_id=request_id)

    def response_with(self, request_id: bytes) -> bytes:
        return b"".join((self.before, request_id, self.after))


class HeadCache:
    """One for each process. It holds credentials, as the cache of verified tokens does; both are bounded."""

    __slots__ = ("_admitted", "_once", "_rejected", "_tick")

    def __init__(self) -> None:
        self._admitted: dict[bytes, KnownHead] = {}  # by the bytes behind the request line
        self._once: set[int] = set()  # hashes of what came once: most heads that differ never come again
        self._rejected: dict[bytes, KnownRejection] = {}
        self._tick = 0.0  # of these rejections

    def __len__(self) -> int:
        """How many heads it would admit again."""
        return len(self._admitted)

    def clear(self) -> None:
        """Drop all entries: the rules have changed."""
        self._admitted.clear()
        self._rejected.clear()

    def keep_admitted(self, request: Request, admitted: Admitted, data: bytes) -> None:
        if request.method not in BODILESS or len(data) > _MOST_BYTES:
            return
        tail = data[data.find(b"\r\n") :]
        mark = hash(tail)
        if mark not in self._once:
            if len(self._once) >= _MOST_HEADS:
                self._once.clear()
            self._once.add(mark)
        elif (found := known_head(request, admitted, data)) is not None:
            self._admitted.pop(found.tail, None)
            if len(self._admitted) >= _MOST_HEADS:
                del self._admitted[next(iter(self._admitted))]
            self._admitted[found.tail] = found

    def keep_rejected(
        self, data: bytes, peer: Peer, event: RequestRejected, response: bytes, *, now: float
    ) -> None:
        """Keep a rejection until the clock's next tick. `response` is whole, with its request id."""
        if now != self._tick or len(self._rejected) >= _MOST_REJECTED:
            self._tick = now
            self._rejected.clear()
        before, after = split_at_id(response, event.request_id)
        self._rejected[data] = KnownRejection(peer, event, before, after)

    def find(self, data: bytes, peer: Peer, *, now: float) -> KnownHead | KnownRejection | None:
        """The earlier decision about a head. `data` is the whole of one read, `now` the coarse clock's.

        A known head has to be admitted again before it is used, by `admit_known`.
        """
        if now == self._tick:
            rejection = self._rejected.get(data)
            if rejection is not None and rejection.peer == peer:
                return rejection
        return self._admitted.get(data[data.find(b"\r\n") :])


def is_rejection_kept(request: Request, data: bytes) -> bool:
    """Whether a rejection of this request may be kept: all of one read is its head, and it has no body."""
    opening = b"%b %b " % (request.method, request.target)
    is_whole = data.startswith(opening) and data.find(b"\r\n\r\n") == len(data) - 4
    return is_whole and request.method in BODILESS and not request.trace and len(data) <= _MOST_BYTES
