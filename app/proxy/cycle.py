"""The interface that uvicorn's protocol expects of one request and its response.

An exchange, a renewal, a tunnel and a response of the gateway take the place of uvicorn's
`RequestResponseCycle`, so that keep-alive, pipelining order and graceful shutdown stay uvicorn's. The
attributes named here are all it touches; a test holds this against the pinned version.
"""

from abc import abstractmethod

from app.errors import GatewayError


class _NoEvent:
    """uvicorn wakes its ASGI task through an event; no task waits for this one."""

    __slots__ = ()

    def set(self) -> None:
        """Nothing waits."""


_NO_EVENT = _NoEvent()


class Cycle:
    """One request of the proxy lane and its response.

    Not an ABC at run time: each read asks isinstance() several times, and ABCMeta makes that slow.
    """

    message_event = _NO_EVENT
    request_id = b""
    keep_alive = True
    more_body = True
    response_started = False
    response_complete = False
    disconnected = False

    @abstractmethod
    def start(self) -> None:
        """Begin: the response to this request is the next one on the connection."""

    def receive_body(self, data: bytes) -> None:
        """Take a piece of the request's body, or drop it."""

    def receive_end(self) -> None:
        """Take the end of the request's body."""
        self.more_body = False

    @abstractmethod
    def flush(self) -> None:
        """Write what one read of the client brought, in one write."""

    @property
    def is_signed_in(self) -> bool:
        """Whether a verified credential stands behind the request."""
        return False

    @property
    def held_bytes(self) -> int:
        """How much of the request's body is kept here, as it cannot be passed on yet."""
        return 0

    def half_close(self) -> bool:
        """Note that the client has closed its own side. Whether the response continues."""
        return True

    @abstractmethod
    def break_off(self, error: GatewayError) -> None:
        """The rest of the request will never come in good order."""

    @abstractmethod
    def lose_client(self) -> None:
        """The client is gone."""

    def pause_response(self) -> None:
        """The client reads slower than the upstream writes."""

    def resume_response(self) -> None:
        """The client has caught up."""

    def check_deadline(self, now: float) -> None:
        """End what has taken too long. Called each tick."""
