"""The deadlines of one client connection, and its share of the bounds of the process.

uvicorn has no deadline for a head or a body.
"""

from typing_extensions import override

from app.errors import GatewayBusy, RequestTimedOut
from app.proxy.client.connection import ClientConnection
from app.proxy.client.ending import Ending
from app.proxy.client.reader import RequestReader
from app.proxy.client.states import BROKEN, HEAD, IDLE, LINGERING, TUNNEL
from app.proxy.cycle import Cycle
from app.proxy.served import ServedConnection

_GRACE_SECONDS = 0.5  # for the request that is on its way while the process begins to end


class Watch(ServedConnection):
    """One connection's, for as long as it is open."""

    def __init__(self, connection: ClientConnection, reader: RequestReader, ending: Ending) -> None:
        self.connection = connection
        self.is_half_open = True  # in the eyes of the bounds
        self._reader = reader
        self._ending = ending

    @override
    def adopt_rules(self) -> None:
        self.connection.adopt_rules()

    @override
    def give_way(self) -> None:
        connection = self.connection
        connection.break_off(GatewayBusy(reason="half-open for longest"))
        if connection.flow.write_paused:
            connection.transport.abort()
        else:
            connection.transport.close()

    @override
    def cut(self, reason: str) -> None:
        if isinstance(self.connection.current, Cycle):
            self.connection.current.break_off(GatewayBusy(reason=reason))

    @override
    def held_bytes(self) -> int:
        connection = self.connection
        current, cycle = connection.current, connection.cycle
        if isinstance(current, Cycle) and current.is_signed_in:
            return 0
        held = connection.transport.get_write_buffer_size() if connection.flow.write_paused else 0
        if connection.state is HEAD:
            return held + self._reader.head_bytes
        if cycle is None or not cycle.more_body:
            return held
        return held + (cycle.held_bytes if isinstance(cycle, Cycle) else connection.app_request.held_bytes)

    def note_held(self) -> None:
        """Let the bounds know what is held. The connection may be closed for it."""
        connection = self.connection
        state, bounds = connection.state, connection.gateway.bounds
        held = 0 if state is TUNNEL or state is BROKEN or state is LINGERING else self.held_bytes()
        if held:
            self.is_half_open = True
            bounds.hold(self, held, connection.limits)
        elif self.is_half_open:
            self.is_half_open = False
            bounds.release(self)

    @override
    def check_deadline(self, now: float) -> None:
        connection, limits = self.connection, self.connection.limits
        waited = now - connection.since
        current, state = connection.current, connection.state
        self._ending.probe(current)
        if connection.transport.is_closing() or state is LINGERING:
            self._ending.check_unread(waited)
        elif state is IDLE:
            if waited > (_GRACE_SECONDS if connection.leaves else limits.idle_seconds):
                connection.transport.close()
        elif state is HEAD and not connection.flow.read_paused and waited > limits.head_seconds:
            connection.break_off(RequestTimedOut(reason="head"))
        elif isinstance(current, Cycle):
            current.check_deadline(now)
        elif current is None:
            self._ending.check_unread(waited)  # it sent the next request, and does not read the last response
        elif current.more_body:
            if connection.flow.read_paused:
                connection.since = now
            elif connection.app_request.is_late(waited, connection.clock.passed, limits):
                connection.break_off(RequestTimedOut(reason="body"))
