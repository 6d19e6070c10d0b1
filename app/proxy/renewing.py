"""A request that waits for its session to be renewed, between admission and the relay."""

import asyncio
from time import perf_counter
from typing import TYPE_CHECKING

from app.core.requests import Admitted, Renew, Request
from app.errors import GatewayError, InternalError
from app.events import SessionRenewed

if TYPE_CHECKING:
    from app.proxy.relayed import RelayedRequest


def begin_renewal(exchange: "RelayedRequest", renew: Renew, request: Request, admitted: Admitted) -> object:
    """Renew the session and go on with the exchange; keep what this returns for as long as it runs."""
    return asyncio.create_task(_renew(exchange, renew, request, admitted))


async def _renew(exchange: "RelayedRequest", renew: Renew, request: Request, admitted: Admitted) -> None:
    began = perf_counter()
    try:
        renewed = await renew(request, admitted)
        is_renewed = renewed is not None
        took = perf_counter() - began
        exchange.observe(SessionRenewed(request.request_id, is_renewed, took, admitted.trace))
        exchange.go_on(renewed)
    except GatewayError as error:
        exchange.break_off(error)
    except Exception as error:  # noqa: BLE001  a defect of ours must not leave a client waiting
        exchange.report(error)
        exchange.break_off(InternalError())
