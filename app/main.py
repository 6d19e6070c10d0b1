"""The composition root: the only file that wires. `create_app` builds everything, `serve` runs it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import httpx
from fastapi import FastAPI, Request, Response

from app.auth.functions import AuthFunctions, reset_session
from app.core.admission import Admission
from app.core.cookies import CookieNames
from app.core.forwarding import TrustedProxies
from app.core.origins import Origins
from app.core.requests import Admitted
from app.core.routing import Policy, Route, Router
from app.core.tokens import TokenVerifier, hmac_key
from app.errors import GatewayError, render
from app.events import Event, Observer, RequestRefused
from app.logs import LogLines
from app.metrics import Metrics
from app.proxy.clock import Clock
from app.proxy.gateway import Gateway
from app.proxy.limits import Limits
from app.proxy.pool import UpstreamPool, dial_tcp, dial_unix
from app.routes.health import Readiness, create_admin_app
from app.routes.session import session_routes
from app.settings import Settings

_POSTGREST = "postgrest"
_RPC_PREFIXES = ("/rpc/", "/rest/rpc/")


def create_app(settings: Settings, *, observer: Observer | None = None) -> FastAPI:
    """The whole gateway as one ASGI app, for uvicorn with `GatewayProtocol`.

    Nothing is opened before the lifespan starts. `app.state.admin` is the second listener's app.
    """
    clock = Clock()
    upstreams = _upstreams(settings, clock)
    database = asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=0,
        max_size=settings.database_connections,
        command_timeout=settings.database_seconds,
        timeout=settings.database_seconds,
        server_settings={"application_name": "postgate"},
        reset=reset_session,
    )
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

    gateway = Gateway(_admission(settings), upstreams, _limits(settings), clock, observe)
    probe = _postgrest_client(settings.postgrest_url)
    readiness = Readiness({"postgres": _ask_postgres(database), "postgrest": _ask_postgrest(probe)})

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
                settings=_function_settings(settings),
            ),
            gateway.admission,
            observe,
            names=settings.auth_functions,
            prefixes=_RPC_PREFIXES,
            body_limit=settings.auth_body_bytes,
        )
    )
    _answer_errors(app, gateway.admission.origins, observe)
    return app


def _admission(settings: Settings) -> Admission:
    return Admission(
        router=Router(
            _routes(settings),
            functions=settings.auth_functions,
            rpc_prefixes=[prefix.encode() for prefix in _RPC_PREFIXES],
        ),
        verifier=TokenVerifier(
            [hmac_key(settings.jwt_secret_bytes)],
            role_claim=settings.role_claim,
            audience=settings.jwt_audience,
            leeway_seconds=settings.jwt_leeway_seconds,
        ),
        origins=Origins(settings.trusted_origins),
        proxies=TrustedProxies(settings.trusted_proxies),
        cookies=CookieNames(settings.access_cookie.encode(), settings.refresh_cookie.encode()),
        auth_schema=settings.auth_schema.encode(),
        target_bytes=settings.target_bytes,
        header_count=settings.header_count,
        head_bytes=settings.head_bytes,
        secure_cookies={"auto": None, "always": True, "never": False}[settings.cookie_secure],
    )


def _routes(settings: Settings) -> list[Route]:
    authority = _authority(settings.postgrest_url)
    policy = Policy.OPTIONAL if settings.anonymous == "allow" else Policy.REQUIRED
    limit = settings.body_bytes
    return [
        Route("rest", b"/rest/", _POSTGREST, authority, policy, limit, documented=True, strip=True),
        Route("rpc", b"/rpc/", _POSTGREST, authority, policy, limit),
        *(
            Route(
                route.prefix,
                route.prefix.encode(),
                route.upstream,
                _authority(route.upstream),
                Policy(route.policy),
                limit if route.body_bytes is None else route.body_bytes,
                websocket=route.websocket,
                identity=True,
                strip=route.strip,
            )
            for route in settings.routes
        ),
    ]


def _upstreams(settings: Settings, clock: Clock) -> dict[str, UpstreamPool]:
    """One pool for each address, however many routes lead there."""
    limits = _limits(settings)
    addresses = {route.upstream for route in settings.routes}
    return {
        _POSTGREST: UpstreamPool(_dial(settings.postgrest_url), limits, clock),
        **{address: UpstreamPool(_dial(address), limits, clock) for address in sorted(addresses)},
    }


def _authority(url: str) -> bytes:
    return url.removeprefix("http://").encode() if _is_tcp(url) else b"localhost"


def _limits(settings: Settings) -> Limits:
    shared = Limits.__slots__ & Settings.model_fields.keys()
    return Limits(**{name: getattr(settings, name) for name in shared})


def _function_settings(settings: Settings) -> dict[str, str]:
    """What auth functions may read with current_setting(), for one transaction and no other role."""
    secret = settings.jwt_secret.get_secret_value()
    return {
        "app.settings.jwt_secret": secret,
        "app.settings.jwt_secret_is_base64": str(settings.jwt_secret_is_base64).lower(),
        "app.settings.jwt_audience": settings.jwt_audience or "",
        "app.settings.access_cookie": settings.access_cookie,
        "app.settings.refresh_cookie": settings.refresh_cookie,
        # The names under which the known recipes look for it.
        "pgrst.jwt_secret": secret,
        "app.jwt_secret": secret,
    }


def _is_tcp(url: str) -> bool:
    return url.startswith("http://")


def _dial(url: str) -> Any:
    if not _is_tcp(url):
        return dial_unix(url.removeprefix("unix:"))
    parts = httpx.URL(url)
    return dial_tcp(parts.host, parts.port or 80)


def _postgrest_client(url: str) -> httpx.AsyncClient:
    """A client for readiness probes; HTTP_PROXY and its like are none of its business."""
    path = None if _is_tcp(url) else url.removeprefix("unix:")
    transport = httpx.AsyncHTTPTransport(uds=path)
    base = url if _is_tcp(url) else "http://localhost"
    return httpx.AsyncClient(base_url=base, transport=transport, trust_env=False)


def _ask_postgres(database: "asyncpg.Pool[asyncpg.Record]") -> Any:
    async def ask() -> bool:
        return bool(await database.fetchval("select true"))

    return ask


def _ask_postgrest(client: httpx.AsyncClient) -> Any:
    async def ask() -> bool:
        # A table that is not there: the answer takes a loaded schema cache, and costs next to nothing.
        answer = await client.head("/postgate_readiness")
        return not answer.is_server_error

    return ask


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
