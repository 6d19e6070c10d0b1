"""The interface of an exchange for its upstream connection and the pool."""

from abc import abstractmethod
from collections.abc import Callable, Sequence

from app.core.http.headers import Header
from app.core.relay.response_headers import ResponseHeaders
from app.errors import GatewayError
from app.proxy.cycle import Cycle
from app.proxy.upstream.link import UpstreamLink


class CarriedExchange(Cycle):
    """An exchange, as the upstream side sees it. Abstract, but no ABC at run time, as `Cycle` is none."""

    is_head = False  # the response has no body, whatever its head says
    is_request_sent = False
    is_waiting = False  # for a slot or a connection
    needs_fresh = False  # it met a stale connection, and must not meet another
    leave_queue: Callable[[], None] | None = None  # how to leave the queue that it is in

    # of the pool

    @abstractmethod
    def note_wait(self) -> None:
        """Note that the upstream can be asked only now: the time before is not the upstream's."""

    @abstractmethod
    def connect(self, connection: UpstreamLink) -> None:
        """Take a connection of the pool's."""

    @abstractmethod
    def lose_upstream(self, error: GatewayError, *, stale: bool = False) -> None:
        """Take the loss of the upstream. `stale`: of a used connection, before the response began."""

    # of the connection

    @abstractmethod
    def begin_response(self, status: int, headers: ResponseHeaders) -> None:
        """Take the head of the response."""

    @abstractmethod
    def relay_body(self, data: bytes) -> None:
        """Take a piece of the response's body."""

    def end_response(self) -> None:
        """Take the end of the response; `flush_response` and `finish` follow."""

    @abstractmethod
    def flush_response(self) -> None:
        """Write what one read of the upstream brought, in one write."""

    @abstractmethod
    def finish(self) -> None:
        """Take the end of the exchange: its response is whole and flushed."""

    @abstractmethod
    def switch(self, status: int, headers: Sequence[Header], data: bytes) -> "CarriedExchange | None":
        """Change protocols with a response, behind which `data` came, if it is the change asked for.

        What the connection carries from now on; None: the client has not asked for it.
        """

    @abstractmethod
    def pause_request(self) -> None:
        """Send no more of the request: the upstream is slower than the client."""

    @abstractmethod
    def resume_request(self) -> None:
        """Send on."""

    # of both

    @abstractmethod
    def report(self, error: Exception) -> None:
        """Emit the event of a defect of the gateway."""
