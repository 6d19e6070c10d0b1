"""What is known of a request: as it came off the wire, and once it is admitted."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.core.http.forwarding import Client, Peer
from app.core.http.headers import Header
from app.core.http.routing import AuthFunction, Route
from app.core.tokens.verify import VerifiedToken
from app.errors import Headers


class Request(NamedTuple):
    """A request head as it came off one connection."""

    method: bytes
    target: bytes
    version: str
    headers: Sequence[Header]  # lower-case names
    head_bytes: int  # at most: what was read until the head was whole
    upgrade: bool  # it asks to change protocols
    peer: Peer
    request_id: bytes
    trace: bytes = b""  # the traceparent that the gateway itself has made for it, if it makes one


@dataclass(frozen=True, slots=True)
class Options:
    """An OPTIONS request that is answered here: browsers send no credentials with a CORS preflight."""

    headers: Headers


class Admitted(NamedTuple):
    """A request that may go on, with what was found out about it."""

    lane: AuthFunction | Route | Options
    client: Client
    origin: bytes | None
    token: VerifiedToken | None = None
    head: bytes = b""  # for the upstream; empty in the app lane
    path: bytes = b""
    trace: bytes = b""  # the traceparent it goes on with
    parent: bytes = b""  # the client's, where the gateway's own stands in its place
    sized: bool = False  # a body of known length follows
    chunked: bool = False  # a body of unknown length follows
    expects_continue: bool = False
    upgrades: bool = False  # to a WebSocket
    refresh: bytes | None = None  # the session is to be renewed with this token first, and then decided anew


class Renewed(NamedTuple):
    """A session that was renewed inside a request."""

    access: bytes  # the new access token
    set_cookies: tuple[bytes, ...]  # as SQL wrote them


Renew = Callable[[Request, Admitted], Awaitable[Renewed | None]]  # None: the session is over
