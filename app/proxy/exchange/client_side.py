"""The interface of a client connection for the exchanges on it.

Not compiled: uvicorn's protocol class is interpreted, and mypyc allows it no native base class beside it.
"""

import asyncio
from abc import abstractmethod
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.server import ServerState

from app.core.http.forwarding import Peer
from app.core.requests import Admitted, Request
from app.errors import GatewayError
from app.events import Event
from app.proxy.clock import Clock
from app.proxy.cycle import Cycle
from app.proxy.gateway import Gateway
from app.proxy.limits import Limits
from app.proxy.progress import Progress


class ClientSide:
    """A client connection, as the exchanges and responses on it see it."""

    gateway: Gateway
    peer: Peer
    limits: Limits
    clock: Clock
    progress: Progress
    transport: asyncio.Transport
    flow: FlowControl
    server_state: ServerState
    divert: Callable[[bytes], None] | None = None  # what takes the bytes that are not for the parser
    is_feeding = False  # while a read is parsed: what it brings is written in one write at its end

    @abstractmethod
    def observe(self, event: Event) -> None:
        """Emit an event."""

    @abstractmethod
    def resume_reading(self) -> None:
        """Read on, unless earlier requests are still queued here."""

    @abstractmethod
    def finish(self, cycle: Cycle) -> None:
        """Take the end of a response of the proxy lane: all of it is written."""

    @abstractmethod
    def replace(self, old: Cycle, new: Cycle) -> None:
        """Let a cycle take the place of another one: its request was started, if it was, by the other."""

    @abstractmethod
    def reject_instead(
        self, cycle: Any, request: Request, admitted: Admitted | None, error: GatewayError
    ) -> None:
        """Respond with an error in the place of a cycle that has not begun its response."""
