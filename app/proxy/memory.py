"""What a connection's last head came to, for when the same bytes come again.

An admitted head is admitted again by the rules of `core/repeats.py`. A refused one is refused again for one
tick of the clock, so that a client that hammers on costs little; then it is looked at anew.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from app.core.heads import split_at_id
from app.core.repeats import BODILESS, Repeatable, remember, repeat
from app.core.requests import Admitted, Request
from app.errors import GatewayError
from app.events import RequestRefused
from app.proxy.answers import refused
from app.proxy.exchange import Exchange

if TYPE_CHECKING:
    from app.proxy.answers import OwnAnswer
    from app.proxy.protocol import GatewayProtocol


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that may be given again to the same bytes."""

    data: bytes
    tick: float
    told: tuple[object, ...]  # the event, but for its request id
    before: bytes  # the answer up to its request id
    after: bytes  # and from there on


class HeadMemory:
    """One connection's."""

    __slots__ = ("_admitted", "_refused")

    def __init__(self) -> None:
        self._admitted: Repeatable | None = None
        self._refused: Refused | None = None

    def keep_admitted(self, request: Request, admitted: Admitted, data: bytes, *, keep_alive: bool) -> None:
        self._admitted = remember(request, admitted, data) if keep_alive else None

    def keep_refused(
        self,
        protocol: "GatewayProtocol",
        request: Request,
        error: GatewayError,
        answer: "OwnAnswer",
        *,
        data: bytes,
    ) -> None:
        """Keep a refusal that was about all of one read, and leaves the connection in step."""
        opening = b"%b %b " % (request.method, request.target)
        is_whole = data.startswith(opening) and data.find(b"\r\n\r\n") == len(data) - 4
        is_plain = is_whole and request.method in BODILESS and not request.trace
        if is_plain and answer.keep_alive and not protocol.pipeline:
            before, after = split_at_id(answer.as_bytes(), request.request_id)
            told = refused(protocol, request, error)[1:]
            self._refused = Refused(data, protocol.clock.now, told, before, after)

    def answer(self, protocol: "GatewayProtocol", data: bytes) -> bool:
        """Answer a head that is known. False: it is not."""
        earlier = self._refused
        if earlier is not None and data == earlier.data and protocol.clock.now == earlier.tick:
            self._refuse_again(protocol, earlier)
            return True
        return self._admitted is not None and self._admit_again(protocol, self._admitted, data)

    def _refuse_again(self, protocol: "GatewayProtocol", earlier: Refused) -> None:
        request_id = protocol.gateway.new_request_id()
        protocol.write_repeat(b"".join((earlier.before, request_id, earlier.after)))
        protocol.observe(RequestRefused(request_id, *earlier.told))  # type: ignore[arg-type]

    def _admit_again(self, protocol: "GatewayProtocol", earlier: Repeatable, data: bytes) -> bool:
        gateway = protocol.gateway
        request_id = gateway.new_request_id()
        new_trace = gateway.new_trace
        trace = new_trace(earlier.headers) if new_trace is not None else b""
        admitted = repeat(gateway.admission, earlier, data, request_id, time.time(), trace)
        if admitted is None:
            return False
        route = earlier.route
        request = Request(earlier.method, b"", "1.1", earlier.headers, 0, False, protocol.peer, request_id)  # noqa: FBT003
        pool = gateway.upstreams[route.upstream]
        protocol.take_repeat(Exchange(protocol, request, admitted, route=route, pool=pool, keep_alive=True))
        return True


class NoMemory(HeadMemory):
    """Of a connection whose next answer is its last."""

    __slots__ = ()

    @override
    def answer(self, protocol: "GatewayProtocol", data: bytes) -> bool:
        return False
