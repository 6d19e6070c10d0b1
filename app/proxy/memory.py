"""What a connection's last head came to, for when the same bytes come again.

An admitted head is admitted again by the rules of `core/repeats.py`. A refused one is refused again for one
tick of the clock, so that a client that hammers on costs little; then it is looked at anew.
"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.core.heads import split_at_id
from app.core.repeats import BODILESS, Repeatable, remember, repeat
from app.core.requests import Admitted, Request
from app.errors import GatewayError
from app.events import RequestRefused
from app.proxy.exchange import Exchange

if TYPE_CHECKING:
    from app.proxy.answers import OwnAnswer
    from app.proxy.protocol import GatewayProtocol


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal that may be given again to the same bytes."""

    data: bytes
    tick: float
    method: bytes
    error: GatewayError
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
        if is_whole and request.method in BODILESS and answer.keep_alive and not protocol.pipeline:
            before, after = split_at_id(answer.as_bytes(), request.request_id)
            self._refused = Refused(data, protocol.clock.now, request.method, error, before, after)

    def answer(self, protocol: "GatewayProtocol", data: bytes) -> bool:
        """Answer a head that is known. False: it is not."""
        refused = self._refused
        if refused is not None and data == refused.data and protocol.clock.now == refused.tick:
            self._refuse_again(protocol, refused)
            return True
        return self._admitted is not None and self._admit_again(protocol, self._admitted, data)

    def _refuse_again(self, protocol: "GatewayProtocol", refused: Refused) -> None:
        request_id = protocol.gateway.new_request_id()
        error = refused.error
        protocol.write_repeat(b"".join((refused.before, request_id, refused.after)))
        protocol.observe(RequestRefused(request_id, refused.method, error.status, error.code, error.reason))

    def _admit_again(self, protocol: "GatewayProtocol", earlier: Repeatable, data: bytes) -> bool:
        gateway = protocol.gateway
        request_id = gateway.new_request_id()
        admitted = repeat(gateway.admission, earlier, data, request_id, time.time())
        if admitted is None:
            return False
        route = earlier.route
        request = Request(earlier.method, b"", "1.1", earlier.headers, 0, False, protocol.peer, request_id)  # noqa: FBT003
        pool = gateway.upstreams[route.upstream]
        protocol.take_repeat(Exchange(protocol, request, admitted, route=route, pool=pool, keep_alive=True))
        return True
