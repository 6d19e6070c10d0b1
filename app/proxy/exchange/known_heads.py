"""An exchange or a rejection for a head that is known from the head cache."""

import time

from app.core.known_heads import KnownHead, admit_known
from app.core.requests import Request
from app.errors import GatewayError
from app.proxy.exchange.client_side import ClientSide
from app.proxy.exchange.exchange import Exchange
from app.proxy.exchange.responses import GatewayResponse, rejection_event
from app.proxy.head_cache import KnownRejection, is_rejection_kept


def exchange_again(client: ClientSide, known: KnownHead, data: bytes) -> Exchange | None:
    """An exchange whose head is not parsed, or None: it is not admitted again."""
    gateway, peer = client.gateway, client.peer
    request_id, new_trace = gateway.new_request_id(), gateway.new_trace
    trace = new_trace(known.headers) if new_trace is not None else b""
    admitted = admit_known(gateway.admission, known, data, peer, request_id, time.time(), trace)
    if admitted is None:
        return None
    route = known.route
    request = Request(known.method, b"", "1.1", known.headers, 0, False, peer, request_id)  # noqa: FBT003
    pool = gateway.upstreams[route.upstream]
    exchange = Exchange(client, request, admitted, route=route, pool=pool, keep_alive=True)
    exchange.more_body = False
    return exchange


def reject_again(client: ClientSide, known: KnownRejection) -> None:
    """Write the rejection and emit its event, under a new request id."""
    request_id = client.gateway.new_request_id()
    client.transport.write(known.response_with(request_id))
    client.observe(known.event_with(request_id))


def keep_rejected(
    client: ClientSide, request: Request, error: GatewayError, response: GatewayResponse, data: bytes
) -> None:
    """Keep a rejection that leaves its connection in step, if the cache takes it."""
    if response.keep_alive and is_rejection_kept(request, data):
        event, now = rejection_event(client, request, error, None), client.clock.now
        client.gateway.head_cache.keep_rejected(data, request.peer, event, response.as_bytes(), now=now)
