"""A request that waits for its session to be renewed, between admission and the relay."""

import asyncio
from collections.abc import Callable
from time import perf_counter

from app.core.requests import Admitted, Renew, Renewed, Request
from app.errors import GatewayError, InternalError
from app.events import SessionRenewed
from app.proxy.upstream.carried import CarriedExchange

GoOn = Callable[[Renewed | None], None]  # with the renewed session, or None: it is over. Raises GatewayError


def begin_renewal(
    exchange: CarriedExchange, go_on: GoOn, renew: Renew, request: Request, admitted: Admitted
) -> object:
    """Renew the session and go on with the exchange; keep what this returns while the renewal runs."""
    return asyncio.create_task(_renew(exchange, go_on, renew, request, admitted))


async def _renew(
    exchange: CarriedExchange, go_on: GoOn, renew: Renew, request: Request, admitted: Admitted
) -> None:
    began = perf_counter()
    try:
        renewed = await renew(request, admitted)
        is_renewed = renewed is not None
        took = perf_counter() - began
        exchange.observe(SessionRenewed(request.request_id, is_renewed, took, admitted.trace))
        go_on(renewed)
    except GatewayError as error:
        exchange.break_off(error)
    except Exception as error:  # noqa: BLE001  a defect of ours must not leave a client waiting
        exchange.report(error)
        exchange.break_off(InternalError())
