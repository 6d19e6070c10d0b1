"""What heads have come to, for when the same bytes come again, on whatever connection.

An admitted head is admitted again by the rules of `core/repeats.py`. A refused one is refused again for one
tick of the clock, so that a client that hammers on costs little; then it is looked at anew.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from app.core.http.forwarding import Peer
from app.core.http.heads import split_at_id
from app.core.repeats import BODILESS, Repeatable, remember, repeat
from app.core.requests import Admitted, Request
from app.errors import GatewayError
from app.events import RequestRejected
from app.proxy.answers import refused
from app.proxy.exchange import Exchange

if TYPE_CHECKING:
    from app.proxy.answers import GatewayResponse
    from app.proxy.protocol import GatewayProtocol

_MOST_HEADS: Final = 2_048
_MOST_BYTES: Final = 4_096  # of a head; it is kept about four times over, in its parts
_MOST_REFUSED: Final = 256


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that may be given again to the same bytes of the same peer."""

    peer: Peer
    told: tuple[object, ...]  # the event, but for its request id
    before: bytes  # the answer up to its request id
    after: bytes  # and from there on


class HeadMemory:
    """One process's. It holds credentials, as the memory of verified tokens does; both are bounded."""

    __slots__ = ("_admitted", "_once", "_refused", "_tick")

    def __init__(self) -> None:
        self._admitted: dict[bytes, Repeatable] = {}  # by the bytes behind the request line
        self._once: set[int] = set()  # hashes of what came once: most heads that differ never come again
        self._refused: dict[bytes, Refused] = {}
        self._tick = 0.0  # of these refusals

    def __len__(self) -> int:
        """How many heads it would admit again."""
        return len(self._admitted)

    def clear(self) -> None:
        """Look at every head anew: the rules have changed."""
        self._admitted.clear()
        self._refused.clear()

    def keep_admitted(self, request: Request, admitted: Admitted, data: bytes) -> None:
        if request.method not in BODILESS or len(data) > _MOST_BYTES:
            return
        tail = data[data.find(b"\r\n") :]
        mark = hash(tail)
        if mark not in self._once:
            if len(self._once) >= _MOST_HEADS:
                self._once.clear()
            self._once.add(mark)
        elif (found := remember(request, admitted, data)) is not None:
            self._admitted.pop(found.tail, None)
            if len(self._admitted) >= _MOST_HEADS:
                del self._admitted[next(iter(self._admitted))]
            self._admitted[found.tail] = found

    def keep_refused(
        self,
        protocol: "GatewayProtocol",
        request: Request,
        error: GatewayError,
        answer: "GatewayResponse",
        *,
        data: bytes,
    ) -> None:
        """Keep a refusal that was about all of one read, and leaves the connection in step."""
        opening = b"%b %b " % (request.method, request.target)
        is_whole = data.startswith(opening) and data.find(b"\r\n\r\n") == len(data) - 4
        is_plain = is_whole and request.method in BODILESS and not request.trace
        if is_plain and len(data) <= _MOST_BYTES and answer.keep_alive and not protocol.pipeline:
            if protocol.clock.now != self._tick or len(self._refused) >= _MOST_REFUSED:
                self._tick = protocol.clock.now
                self._refused.clear()
            before, after = split_at_id(answer.as_bytes(), request.request_id)
            told = refused(protocol, request, error, None)[1:]
            self._refused[data] = Refused(request.peer, told, before, after)

    def answer(self, protocol: "GatewayProtocol", data: bytes) -> bool:
        """Answer a head that is known. False: it is not."""
        if protocol.clock.now == self._tick:
            again = self._refused.get(data)
            if again is not None and again.peer == protocol.peer:
                _refuse_again(protocol, again)
                return True
        earlier = self._admitted.get(data[data.find(b"\r\n") :])
        return earlier is not None and _admit_again(protocol, earlier, data)


def _refuse_again(protocol: "GatewayProtocol", earlier: Refused) -> None:
    request_id = protocol.gateway.new_request_id()
    protocol.write_repeat(b"".join((earlier.before, request_id, earlier.after)))
    protocol.observe(RequestRejected(request_id, *earlier.told))  # type: ignore[arg-type]


def _admit_again(protocol: "GatewayProtocol", earlier: Repeatable, data: bytes) -> bool:
    gateway = protocol.gateway
    request_id = gateway.new_request_id()
    new_trace = gateway.new_trace
    trace = new_trace(earlier.headers) if new_trace is not None else b""
    peer = protocol.peer
    admitted = repeat(gateway.admission, earlier, data, peer, request_id, time.time(), trace)
    if admitted is None:
        return False
    route = earlier.route
    request = Request(earlier.method, b"", "1.1", earlier.headers, 0, False, peer, request_id)  # noqa: FBT003
    pool = gateway.upstreams[route.upstream]
    protocol.take_repeat(Exchange(protocol, request, admitted, route=route, pool=pool, keep_alive=True))
    return True
