"""The composition root: the only file that wires. `create_app` builds everything, `serve` runs it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response

from app.auth.functions import AuthFunctions
from app.auth.renewal import Renewals
from app.core.ended import EndedSessions
from app.core.origins import Origins
from app.core.requests import Admitted
from app.errors import GatewayError, render
from app.events import Event, Observer, RequestRefused
from app.logs import LogLines
from app.metrics import Metrics
from app.parts import (
    REFRESH,
    RPC_PREFIXES,
    admission,
    ask_postgres,
    ask_postgrest,
    database_pool,
    function_settings,
    guarded,
    limits,
    postgrest_client,
    renewal_tries,
    revocation_listener,
    upstream_pools,
)
from app.proxy.clock import Clock
from app.proxy.gateway import Gateway
from app.routes.health import Readiness, create_admin_app
from app.routes.session import session_routes
from app.routes.verify import verify_routes
from app.settings import Settings

_FIRST_NEWS_SECONDS = 2.0  # that the start waits to hear which sessions have ended


def create_app(settings: Settings, *, observer: Observer | None = None) -> FastAPI:
    """The whole gateway as one ASGI app, for uvicorn with `GatewayProtocol`.

    Nothing is opened before the lifespan starts. `app.state.admin` is the second listener's app.
    """
    clock = Clock()
    upstreams = upstream_pools(settings, clock)
    database = database_pool(settings)
    metrics = Metrics(
        (
            ("client_connections", "Open client connections.", lambda: len(gateway.connections)),
            (
                "upstream_connections",
                "Open connections to upstreams.",
                lambda: sum(pool.open_connections for pool in upstreams.values()),
            ),
            (
                "upstream_waiting",
                "Requests that wait for a connection.",
                lambda: sum(pool.waiting_exchanges for pool in upstreams.values()),
            ),
            ("password_checks_waiting", "Passwords that wait to be checked.", lambda: guard.waiting),
            ("sessions_ended", "Ended sessions whose access tokens are refused.", lambda: len(ended)),
        )
    )
    watch = observer or LogLines()

    def observe(event: Event) -> None:
        metrics.observe(event)
        watch(event)

    ended = EndedSessions(refuse_unknown=settings.revocation_outage == "refuse")
    listener = revocation_listener(settings, ended, observe)
    rules = admission(settings, ended)
    functions = AuthFunctions(
        database,
        schema=settings.auth_schema,
        anon_role=settings.anon_role,
        settings=function_settings(settings),
    )
    guard = guarded(settings, functions, database, observe)
    renewals = Renewals(functions, REFRESH, rules.cookies, renewal_tries(settings), time.monotonic)
    gateway = Gateway(rules, upstreams, limits(settings), clock, observe, renewals.renew)
    probe = postgrest_client(settings.postgrest_url)
    readiness = Readiness({"postgres": ask_postgres(database), "postgrest": ask_postgrest(probe)})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        clock.start()
        clock.each_tick(gateway.check_deadlines)
        async with database, probe, guard:
            listening = asyncio.create_task(listener.run())
            await listener.wait_tried(_FIRST_NEWS_SECONDS)
            yield {"gateway": gateway}
            for pool in upstreams.values():
                await pool.close()
            listening.cancel()
        clock.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.admin = create_admin_app(readiness, metrics.exposition)
    app.state.admin.include_router(verify_routes(gateway, observe))
    app.state.readiness = readiness
    app.include_router(
        session_routes(
            guard,
            gateway.admission,
            observe,
            names=(*settings.auth_functions, *settings.account_functions),
            prefixes=RPC_PREFIXES,
            body_limit=settings.auth_body_bytes,
        )
    )
    _answer_errors(app, gateway.admission.origins, observe)
    return app


def _answer_errors(app: FastAPI, origins: Origins, observe: Observer) -> None:
    @app.exception_handler(GatewayError)
    async def refuse(request: Request, error: GatewayError) -> Response:
        request_id = getattr(request.state, "request_id", b"")
        status, headers, body = render(error, request_id)
        observe(RequestRefused(request_id, request.method.encode(), status, error.code, error.reason))
        admitted: Admitted | None = getattr(request.state, "admitted", None)
        if admitted is not None and admitted.origin is not None:
            headers += origins.answer_headers(admitted.origin)
        response = Response(body, status)
        response.raw_headers = [*headers, (b"content-length", b"%d" % len(body))]
        return response
