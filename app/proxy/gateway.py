"""What all connections of one process share."""

import itertools
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.core.admission import Admission
from app.core.requests import Admitted, Renewed, Request
from app.events import Observer
from app.proxy.clock import Clock
from app.proxy.limits import Limits
from app.proxy.pool import UpstreamPool

if TYPE_CHECKING:
    from app.proxy.client import ClientConnection


Renew = Callable[[Request, Admitted], Awaitable[Renewed | None]]


def _request_ids() -> "itertools.count[int]":
    return itertools.count(1)


@dataclass(frozen=True, slots=True)
class Gateway:
    """The rules, the upstreams and the bounds, wired by the composition root."""

    admission: Admission
    upstreams: Mapping[str, UpstreamPool]
    limits: Limits
    clock: Clock
    observe: Observer
    renew: Renew | None = None  # a session whose access cookie is spent, before its request is relayed
    connections: "set[ClientConnection]" = field(default_factory=set)
    _prefix: bytes = field(default_factory=lambda: secrets.token_hex(6).encode())
    _numbers: "itertools.count[int]" = field(default_factory=_request_ids)

    def check_deadlines(self, now: float) -> None:
        for connection in list(self.connections):
            connection.check_deadline(now)

    def new_request_id(self) -> bytes:
        """An id that links an answer to the log: unique, and nothing to guess from."""
        return b"%b-%x" % (self._prefix, next(self._numbers))
