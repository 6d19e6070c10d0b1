"""The states of a client's connection: what becomes of the next bytes from the client.

`TRANSITIONS` has every change that may happen. `GatewayProtocol.state` is set without a look at it, as a look
would cost each request something; the tests set it with one, and fail at any other change.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class State(Enum):
    """Each value is what becomes of the next bytes."""

    IDLE = "begin a request, after a look into the head cache"
    HEAD = "belong to a head"
    BODY = "belong to the body of the request that was read last"
    RESPONDING = "begin a request behind those that await their responses"
    TUNNEL = "belong to a protocol that is not HTTP"
    LAST = "dropped: no further request is read, and the responses that are due end the connection"
    BROKEN = "dropped: after an error from which no request can be read"
    LINGERING = "dropped, up to a bound: all is said, and the client may still read it (RFC 9112 section 9.6)"
    CLOSED = "none come"


# Constants: to look up a member of an enum costs more than to compare it
IDLE: Final = State.IDLE
HEAD: Final = State.HEAD
BODY: Final = State.BODY
RESPONDING: Final = State.RESPONDING
TUNNEL: Final = State.TUNNEL
LAST: Final = State.LAST
BROKEN: Final = State.BROKEN
LINGERING: Final = State.LINGERING
CLOSED: Final = State.CLOSED

TRANSITIONS: Final[Mapping[State, frozenset[State]]] = {
    IDLE: frozenset({HEAD, RESPONDING, BROKEN, CLOSED}),  # RESPONDING: to a known head, which is not parsed
    HEAD: frozenset({BODY, LAST, BROKEN, CLOSED}),  # LAST: the client has closed its own side
    BODY: frozenset({RESPONDING, TUNNEL, LAST, BROKEN, LINGERING, CLOSED}),  # LINGERING: responded early
    RESPONDING: frozenset({IDLE, HEAD, LAST, BROKEN, CLOSED}),
    TUNNEL: frozenset({BROKEN, CLOSED}),
    LAST: frozenset({BROKEN, CLOSED}),
    BROKEN: frozenset({LINGERING, CLOSED}),
    LINGERING: frozenset({BROKEN, CLOSED}),
    CLOSED: frozenset(),
}
