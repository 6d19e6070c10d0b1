"""What all connections of one process share."""

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core.admission import Admission
from app.core.http.headers import Header
from app.core.requests import Renew
from app.errors import GatewayBusy
from app.events import Observer, RequestRelayed, ResponseHeaderDropped
from app.proxy.client_bounds import ClientBounds
from app.proxy.clock import Clock
from app.proxy.cycle import Cycle
from app.proxy.limits import Limits
from app.proxy.memory import HeadMemory
from app.proxy.pool import UpstreamPool

if TYPE_CHECKING:
    from app.proxy.client import ClientConnection


# A client's headers -> the traceparent to write in place of its own, or empty where its own may stand
NewTrace = Callable[[Sequence[Header]], bytes]
# Route, method, status, seconds, and of these the upstream's
Count = Callable[[str, bytes, int, float, float], None]
Relayed = Callable[[RequestRelayed], None]


def _request_ids() -> "itertools.count[int]":
    return itertools.count(1)


@dataclass(slots=True)
class Gateway:
    """The rules, the upstreams and the bounds, wired by the composition root.

    Rules and bounds are asked for anew at each request: `adopt` changes them while requests are under way.
    """

    admission: Admission
    upstreams: Mapping[str, UpstreamPool]
    limits: Limits
    clock: Clock
    observe: Observer
    count: Count  # what is relayed: plain numbers, as an event would cost more than counting it
    relayed: Relayed | None  # where somebody wants to know of each request
    renew: Renew | None = None  # a session whose access cookie is spent, before its request is relayed
    drains: bool = False  # the process is about to end
    new_trace: NewTrace | None = None  # None: clients' traces pass, and none is made
    connections: "set[ClientConnection]" = field(default_factory=set)
    bounds: ClientBounds = field(default_factory=ClientBounds)
    heads: HeadMemory = field(default_factory=HeadMemory)
    _dropped: set[tuple[str, str]] = field(default_factory=set)  # route and header: both are few
    _prefix: bytes = field(default_factory=lambda: secrets.token_hex(6).encode())
    _numbers: "itertools.count[int]" = field(default_factory=_request_ids)

    def adopt(self, admission: Admission, limits: Limits, relayed: Relayed | None) -> None:
        """Go by other rules and bounds from the next request on. What is under way ends as it began."""
        self.admission, self.limits, self.relayed = admission, limits, relayed
        for pool in self.upstreams.values():
            pool.limits = limits
        self.heads.clear()
        for connection in self.connections:
            connection.adopt_rules()

    def note_dropped(self, request_id: bytes, route: str, header: str) -> None:
        """Say once that the answers of a route have a header that they may not have."""
        if (route, header) not in self._dropped:
            self._dropped.add((route, header))
            self.observe(ResponseHeaderDropped(request_id, route, header))

    def check_deadlines(self, now: float) -> None:
        for connection in list(self.connections):
            connection.check_deadline(now)

    def cut(self, reason: str = "drain deadline") -> None:
        """End what is unanswered at the end of the process, and let it show."""
        for connection in list(self.connections):
            if isinstance(connection.current, Cycle):
                connection.current.break_off(GatewayBusy(reason=reason))

    def new_request_id(self) -> bytes:
        """An id that links an answer to the log: unique, and nothing to guess from."""
        return b"%b-%x" % (self._prefix, next(self._numbers))
