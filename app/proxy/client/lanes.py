"""Which lane a request takes, and what serves it there."""

import time

from app.core.http.routing import AuthFunction, OwnDocument
from app.core.requests import Admitted, Options, Request
from app.errors import GatewayError, InternalError
from app.events import InternalFailure
from app.proxy.cycle import Cycle
from app.proxy.exchange.client_side import ClientSide
from app.proxy.exchange.known_heads import keep_rejected
from app.proxy.exchange.renewal import new_exchange
from app.proxy.exchange.responses import options_response, reject


def served_by(
    client: ClientSide, request: Request, read: bytes, *, is_alone: bool, keep_alive: bool
) -> Cycle | Admitted:
    """A cycle of the proxy lane, or, for the app lane, the admitted request.

    `read` is all that was read with the head. `is_alone`: no other request awaits its response.
    """
    gateway = client.gateway
    try:
        admitted = gateway.admission.decide(request, time.time())
    except GatewayError as error:
        response = reject(client, request, error, keep_alive=keep_alive)
        if is_alone:
            keep_rejected(client, request, error, response, read)
        return response
    except Exception as error:  # noqa: BLE001  fail closed: what cannot be decided is not relayed
        client.observe(InternalFailure(request.request_id, error))
        return reject(client, request, InternalError(), keep_alive=False)
    lane = admitted.lane
    if isinstance(lane, (AuthFunction, OwnDocument)):
        return admitted
    if isinstance(lane, Options):
        return options_response(client, request, admitted, lane.headers, keep_alive=keep_alive)
    if keep_alive:
        gateway.head_cache.keep_admitted(request, admitted, read)
    return new_exchange(client, request, admitted, lane, keep_alive=keep_alive)
