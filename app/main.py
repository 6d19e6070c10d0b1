"""The composition root: the only file that wires. `create_app` builds everything, `serve` runs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response

from app.auth.functions import AuthFunctions
from app.core.origins import Origins
from app.core.requests import Admitted
from app.errors import GatewayError, render
from app.events import Event, Observer, RequestRefused
from app.logs import LogLines
from app.metrics import Metrics
from app.parts import (
    RPC_PREFIXES,
    admission,
    ask_postgres,
    ask_postgrest,
    database_pool,
    function_settings,
    limits,
    postgrest_client,
    upstream_pools,
)
from app.proxy.clock import Clock
from app.proxy.gateway import Gateway
from app.routes.health import Readiness, create_admin_app
from app.routes.session import session_routes
from app.settings import Settings


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
        )
    )
    watch = observer or LogLines()

    def observe(event: Event) -> None:
        metrics.observe(event)
        watch(event)

    gateway = Gateway(admission(settings), upstreams, limits(settings), clock, observe)
    probe = postgrest_client(settings.postgrest_url)
    readiness = Readiness({"postgres": ask_postgres(database), "postgrest": ask_postgrest(probe)})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        clock.start()
        clock.each_tick(gateway.check_deadlines)
        async with database, probe:
            yield {"gateway": gateway}
            for pool in upstreams.values():
                await pool.close()
        clock.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.admin = create_admin_app(readiness, metrics.exposition)
    app.state.readiness = readiness
    app.include_router(
        session_routes(
            AuthFunctions(
                database,
                schema=settings.auth_schema,
                anon_role=settings.anon_role,
                settings=function_settings(settings),
            ),
            gateway.admission,
            observe,
            names=settings.auth_functions,
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
