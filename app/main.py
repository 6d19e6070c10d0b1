"""The composition root: the only file that wires. `create_app` builds everything, `serve` runs it."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request, Response

from app.auth.functions import AuthFunctions
from app.auth.renewal import Renewals
from app.build import VERSION
from app.catalogue import SHIPPED, Catalogue
from app.core.admission import Admission
from app.core.requests import Admitted
from app.core.session.revocations import EndedSessions
from app.errors import GatewayError, render
from app.events import Observer, RequestRefused
from app.logs import Log, LogLines, open_log
from app.metrics import Numbers, SharedNumbers
from app.proxy.clock import Clock
from app.proxy.gateway import Gateway
from app.routes.health import PROBE_SECONDS, Readiness, create_admin_app
from app.routes.session import FunctionEndpoints, session_routes
from app.routes.verify import verify_routes
from app.settings import Settings
from app.tracing import Tracing, open_tracing
from app.wiring.guarding import guarded, listed_functions, renewal_tries, sign_in_functions
from app.wiring.measuring import meter_of
from app.wiring.observers import Watching
from app.wiring.parts import (
    RPC_PREFIXES,
    admission,
    database_pool,
    function_settings,
    limits,
    revocation_listener,
    upstream_pools,
    via_name,
)
from app.wiring.probes import PostgrestProbe, postgres_probe, postgrest_client
from app.wiring.reloading import Reloading, Running

_FIRST_NEWS_SECONDS = 2.0  # that the start waits to hear which sessions have ended


def create_app(  # noqa: PLR0915  what is wired, top to bottom
    settings: Settings,
    *,
    catalogue: Catalogue = SHIPPED,
    observer: Observer | None = None,
    log: Log | None = None,
    tracing: Tracing | None = None,
    shared: SharedNumbers | None = None,
    place: int = 0,
) -> FastAPI:
    """The whole gateway as one ASGI app, for uvicorn with `GatewayProtocol`.

    Nothing is opened before the lifespan starts. `app.state.admin` is the second listener's app. `observer`
    and `tracing` stand in for the log and for what the settings say; `shared` and `place` are for one of
    several processes.
    """
    clock = Clock()
    upstreams = upstream_pools(settings, clock)
    database = database_pool(settings)
    listed = listed_functions(settings, catalogue)
    numbers = Numbers(sign_in_functions=sign_in_functions(listed))
    lines = LogLines(
        log or open_log(settings.log_format),
        requests=settings.log_requests,
        stranger_lines=settings.log_stranger_lines,
    )
    tracing = tracing or open_tracing(settings.traces, VERSION)
    watching = Watching(numbers, [observer or lines, *([tracing.observe] if tracing.observe else [])])
    observe = watching.observe
    ended = EndedSessions(refuse_unknown=settings.revocation_outage == "refuse")
    listener = revocation_listener(settings, ended, observe)
    via = via_name()
    rules = admission(settings, ended, via)
    functions = AuthFunctions(
        database,
        schema=settings.auth_schema,
        anon_role=settings.anon_role,
        settings=function_settings(settings),
    )
    guard = guarded(settings, functions, database, observe, catalogue)
    tries = renewal_tries(settings)
    renewals = Renewals(functions, settings.refresh_function, rules.cookies, tries, time.monotonic, observe)
    gateway = Gateway(
        admission=rules,
        upstreams=upstreams,
        limits=limits(settings),
        clock=clock,
        observe=observe,
        count=numbers.count_relayed,
        relayed=watching.relayed(),
        renew=renewals.renew,
        new_trace=tracing.new_trace,
    )
    prober = postgrest_client(settings.postgrest_url, seconds=PROBE_SECONDS)
    postgrest_probe = PostgrestProbe(prober, settings)
    running = Running(
        gateway, functions, guard, tries, ended, lines, watching, postgrest_probe, via, catalogue
    )
    meter = meter_of(gateway, database, guard, ended, numbers, lines=lines, shared=shared, place=place)

    def rules_now() -> Admission:
        return gateway.admission

    readiness = Readiness({"postgres": postgres_probe(database), "postgrest": postgrest_probe}, observe)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, Any]]:
        clock.start()
        clock.each_tick(gateway.check_deadlines)
        clock.each_tick(lambda _: watching.report(gateway.admission.proxies.take_unread()))
        clock.each_tick(lambda _: meter.publish())
        clock.each_tick(lambda _: lines.tick())
        async with database, prober, guard:
            listening = asyncio.create_task(listener.run())
            await listener.wait_tried(_FIRST_NEWS_SECONDS)
            readiness.begun = True
            yield {"gateway": gateway}
            gateway.cut()
            for pool in upstreams.values():
                await pool.close()
            listening.cancel()
            await asyncio.to_thread(tracing.close)
        clock.stop()

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan)
    app.state.admin = create_admin_app(readiness, meter.exposition)
    app.state.admin.include_router(verify_routes(rules_now, renewals.renew, gateway.new_request_id, observe))
    app.state.readiness = readiness
    app.state.gateway = gateway
    app.state.observe = observe
    app.state.reload = Reloading(settings, running).reload
    endpoints = FunctionEndpoints(
        listed,
        guard,
        renewals,
        rules_now,
        observe,
        body_limit=lambda: gateway.limits.auth_body_bytes,
    )
    app.include_router(session_routes(endpoints, prefixes=RPC_PREFIXES))
    _answer_errors(app, rules_now, observe)
    return app


def _refused(request: Request, admitted: Admitted | None, error: GatewayError) -> RequestRefused:
    told = RequestRefused(
        getattr(request.state, "request_id", b""),
        request.method.encode(),
        error.status,
        error.code,
        error.reason,
        function=getattr(request.state, "function", ""),
    )
    if admitted is None:
        return told
    return told._replace(
        client=admitted.client.address, path=admitted.path, trace=admitted.trace, parent=admitted.parent
    )


def _answer_errors(app: FastAPI, rules: Callable[[], Admission], observe: Observer) -> None:
    @app.exception_handler(GatewayError)
    async def refuse(request: Request, error: GatewayError) -> Response:
        request_id = getattr(request.state, "request_id", b"")
        status, headers, body = render(error, request_id)
        admitted: Admitted | None = getattr(request.state, "admitted", None)
        observe(_refused(request, admitted, error))
        if admitted is not None and admitted.origin is not None:
            headers += rules().origins.answer_headers(admitted.origin)
        if admitted is not None:
            headers += rules().protection.transport(is_https=admitted.client.scheme == "https")
        response = Response(body, status)
        response.raw_headers = [*headers, (b"content-length", b"%d" % len(body))]
        return response
