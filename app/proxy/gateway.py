"""The state that all connections of one process share."""

import itertools
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from app.core.admission import Admission
from app.core.http.headers import Header
from app.core.requests import DecideToken, Renew
from app.events import Observer, RequestRelayed, ResponseHeaderDropped
from app.proxy.client_bounds import ClientBounds
from app.proxy.clock import Clock
from app.proxy.head_cache import HeadCache
from app.proxy.limits import Limits
from app.proxy.served import ServedConnection
from app.proxy.upstream.pool import UpstreamPool

# A client's headers -> the traceparent to write that replaces it, or empty to keep the client's
NewTrace = Callable[[Sequence[Header]], bytes]
# Route, method, status, seconds, and of these the upstream's
Count = Callable[[str, bytes, int, float, float], None]
Relayed = Callable[[RequestRelayed], None]


def _request_ids() -> "itertools.count[int]":
    return itertools.count(1)


@dataclass(slots=True)
class Gateway:
    """The rules, the upstreams and the bounds, wired by the composition root.

    Rules and bounds are read at each request: `adopt` changes them while requests are in flight.
    """

    admission: Admission
    upstreams: Mapping[str, UpstreamPool]
    limits: Limits
    clock: Clock
    observe: Observer
    count: Count  # what is relayed: plain numbers, as an event would cost more than counting it
    relayed: Relayed | None  # None: no observer wants each request
    renew: Renew | None = None  # a session whose access cookie has expired
    decide_token: DecideToken | None = None  # of another issuer, when it is seen for the first time
    drains: bool = False  # the process is about to end
    new_trace: NewTrace | None = None  # None: clients' traces pass, and none is made
    connections: set[ServedConnection] = field(default_factory=set)
    bounds: ClientBounds = field(default_factory=ClientBounds)
    head_cache: HeadCache = field(default_factory=HeadCache)
    _dropped: set[tuple[str, str]] = field(default_factory=set)  # route and header: both are few
    _prefix: bytes = field(default_factory=lambda: secrets.token_hex(6).encode())
    _numbers: "itertools.count[int]" = field(default_factory=_request_ids)

    def adopt(self, admission: Admission, limits: Limits, relayed: Relayed | None) -> None:
        """Use other rules and bounds from the next request on. Requests in flight keep theirs."""
        self.admission, self.limits, self.relayed = admission, limits, relayed
        for pool in self.upstreams.values():
            pool.limits = limits
        self.head_cache.clear()
        for connection in self.connections:
            connection.adopt_rules()

    def note_dropped(self, request_id: bytes, route: str, header: str) -> None:
        """Say once that the responses of a route have a header that they may not have."""
        if (route, header) not in self._dropped:
            self._dropped.add((route, header))
            self.observe(ResponseHeaderDropped(request_id, route, header))

    def check_deadlines(self, now: float) -> None:
        for connection in list(self.connections):
            connection.check_deadline(now)

    def cut(self, reason: str = "drain deadline") -> None:
        """End what is unanswered at the end of the process, and let it show."""
        for connection in list(self.connections):
            connection.cut(reason)

    def new_request_id(self) -> bytes:
        """An id that links a response to the log: unique, and nothing to guess from."""
        return b"%b-%x" % (self._prefix, next(self._numbers))
