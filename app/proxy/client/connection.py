"""The interface of a client connection for its parts: what is read, what responds, and how to end it.

Not compiled, as `ClientSide` is not.
"""

from abc import abstractmethod
from collections import deque
from typing import Any

from app.errors import GatewayError
from app.proxy.client.app_lane import AppRequest
from app.proxy.client.states import IDLE, State
from app.proxy.exchange.client_side import ClientSide


class ClientConnection(ClientSide):
    """A client connection, as its reader and its bounds see it."""

    state: State = IDLE
    since: float  # the coarse clock's time when the client was last waited for
    cycle: Any  # the one that was read last: uvicorn's RequestResponseCycle, or a Cycle
    current: Any = None  # the one that may respond now
    pipeline: deque[tuple[Any, Any]]  # those that wait behind it, each with its app
    app_request: AppRequest  # the last one of the app lane
    leaves = False  # the next response is the last

    @abstractmethod
    def adopt_rules(self) -> None:
        """Take the rules and bounds that the gateway has now, for the requests to come."""

    @abstractmethod
    def break_off(self, error: GatewayError) -> None:
        """Read no further request: respond once, after the earlier responses, and close."""

    @abstractmethod
    def take_head(self) -> None:
        """Take a request whose head is complete: the reader has it."""

    @abstractmethod
    def take_body(self, data: bytes) -> None:
        """Take a piece of the body of the request that was read last."""

    @abstractmethod
    def take_end(self) -> State:
        """Take the end of that request. The connection's next state."""
