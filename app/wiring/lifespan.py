"""The life of a gateway: connections open at its start, ticks run while it serves, all close at its end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Final

from fastapi import FastAPI

from app.metrics import Meter
from app.proxy.gateway import Gateway
from app.routes.readiness import Readiness
from app.wiring.database_parts import DatabaseParts
from app.wiring.issuers import IssuerService
from app.wiring.observers import Observers

_FIRST_REVOCATIONS_SECONDS: Final = 2.0  # the start waits this long for the list of revoked sessions


def lifespan_of(  # noqa: PLR0917
    gateway: Gateway,
    parts: DatabaseParts,
    issuers: IssuerService | None,
    observers: Observers,
    meter: Meter,
    readiness: Readiness,
    prober: AbstractAsyncContextManager[Any],
) -> Callable[[FastAPI], AbstractAsyncContextManager[dict[str, Any]]]:
    """Opens connections before the first request, ticks while the gateway serves, closes them at the end."""
    clock = gateway.clock

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        clock.start()
        clock.each_tick(gateway.check_deadlines)
        clock.each_tick(lambda _: observers.report(gateway.admission.proxies.take_unreadable()))
        clock.each_tick(lambda _: meter.publish())
        clock.each_tick(lambda _: observers.lines.tick())
        async with parts.database, prober, parts.guard, issuers.running() if issuers else nullcontext():
            listening = asyncio.create_task(parts.listener.run())
            await parts.listener.wait_first_attempt(_FIRST_REVOCATIONS_SECONDS)
            readiness.begun = True
            sending = None if parts.delivery is None else asyncio.create_task(parts.delivery.run())
            yield {"gateway": gateway}
            gateway.cut()
            if parts.delivery is not None and sending is not None:
                await parts.delivery.close()
                await sending
            for pool in gateway.upstreams.values():
                await pool.close()
            listening.cancel()
            await asyncio.to_thread(observers.tracing.close)
        clock.stop()

    return lifespan
