"""When an exchange has taken too long. Seconds come from the coarse clock, on each of its ticks."""

import time
from time import perf_counter
from typing import Final

from app.core.http.routing import Route
from app.core.tokens.verify import EXPIRED, TokenVerifier, VerifiedToken
from app.errors import GatewayError, RequestTimedOut, UpstreamBusy, UpstreamTimedOut
from app.proxy.limits import Limits

GRACE_SECONDS: Final = 5.0  # a response that a token's last moment has admitted may be finished


def overdue(
    route: Route,
    limits: Limits,
    waited: float,
    *,
    is_queued: bool,
    is_started: bool,
    is_endless: bool,
    reads_body: bool,
) -> GatewayError | None:
    """The error of an exchange in which nothing has happened for `waited` seconds, if that is too long.

    `is_queued`: for a slot or a connection. `is_started`: its response. `reads_body`: the client has more to
    send, and is read.
    """
    if is_queued:
        return UpstreamBusy(reason="queued too long") if waited > limits.upstream_queue_seconds else None
    if is_started:
        most = stall_seconds(route, limits, is_endless=is_endless)
        return UpstreamTimedOut(reason="response stalled") if most and waited > most else None
    if reads_body:
        return RequestTimedOut(reason="body stalled") if waited > limits.body_stall_seconds else None
    is_late = 0 < first_byte_seconds(route, limits) < waited
    return UpstreamTimedOut(reason="no response") if is_late else None


def why_over(verifier: TokenVerifier, token: VerifiedToken, began: float) -> str:
    """Why a response must end before it is whole: with its session at once, or with its token.

    `began`: its request, in seconds of perf_counter. Empty: it may continue.
    """
    reason = verifier.why_over(token, time.time())
    # What a token's last moment has admitted is no stream yet
    return "" if reason == EXPIRED and perf_counter() - began < GRACE_SECONDS else reason


def stall_seconds(route: Route, limits: Limits, *, is_endless: bool) -> float:
    """How long a response may bring nothing; 0: any time.

    An event stream is silent while nothing happens, so only its route's own setting counts.
    """
    if route.stall_seconds is not None:
        return route.stall_seconds
    return 0.0 if is_endless else limits.upstream_stall_seconds


def first_byte_seconds(route: Route, limits: Limits) -> float:
    """How long the first byte of a response may take; 0: any time."""
    own = route.first_byte_seconds
    return limits.upstream_first_byte_seconds if own is None else own
