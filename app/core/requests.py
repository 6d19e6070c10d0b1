"""A request: as received, and after it is admitted."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.core.http.forwarding import Client, Peer
from app.core.http.headers import Header
from app.core.http.routing import AuthFunction, OwnDocument, Route
from app.core.tokens.verify import VerifiedToken
from app.errors import Headers


class Request(NamedTuple):
    """A request head as received on one connection."""

    method: bytes
    target: bytes
    version: str
    headers: Sequence[Header]  # lower-case names
    head_bytes: int  # an upper bound: the bytes read until the head was complete
    upgrade: bool  # it has Upgrade
    peer: Peer
    request_id: bytes
    trace: bytes = b""  # the traceparent that the gateway made for it; empty without tracing


@dataclass(frozen=True, slots=True)
class Options:
    """An OPTIONS request that the gateway handles: browsers send no credentials with a preflight."""

    headers: Headers


class Admitted(NamedTuple):
    """An admitted request, with the results of admission."""

    lane: AuthFunction | OwnDocument | Route | Options
    client: Client
    origin: bytes | None
    token: VerifiedToken | None = None
    head: bytes = b""  # for the upstream; empty in the app lane
    path: bytes = b""
    trace: bytes = b""  # the forwarded traceparent
    parent: bytes = b""  # the client's, if the gateway's replaces it
    sized: bool = False  # a body of known length follows
    chunked: bool = False  # a body of unknown length follows
    expects_continue: bool = False
    upgrades: bool = False  # to a WebSocket
    refresh: bytes | None = None  # renew the session with this token first, then decide again
    undecided: bytes | None = None  # have this token of another issuer decided first, then decide again


class Renewed(NamedTuple):
    """The result of a renewal inside a request."""

    access: bytes  # the new access token
    set_cookies: tuple[bytes, ...]  # as SQL wrote them


Renew = Callable[[Request, Admitted], Awaitable[Renewed | None]]  # None: the session is over
# Decides about a token of another issuer, so that its request can be decided again. Raises GatewayError
DecideToken = Callable[[bytes], Awaitable[None]]
