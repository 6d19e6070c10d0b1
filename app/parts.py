"""What the composition root puts together: each part as the settings want it. It opens nothing."""

from collections.abc import Awaitable, Callable

import asyncpg
import httpx

from app.auth.functions import reset_session
from app.core.admission import Admission
from app.core.cookies import CookieNames
from app.core.forwarding import TrustedProxies
from app.core.origins import Origins
from app.core.routing import Policy, Route, Router
from app.core.tokens import TokenVerifier, hmac_key
from app.proxy.clock import Clock
from app.proxy.limits import Limits
from app.proxy.pool import Dial, UpstreamPool, dial_tcp, dial_unix
from app.settings import Settings

POSTGREST = "postgrest"
RPC_PREFIXES = ("/rpc/", "/rest/rpc/")

Ask = Callable[[], Awaitable[bool]]


def database_pool(settings: Settings) -> "asyncpg.Pool[asyncpg.Record]":
    return asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=0,
        max_size=settings.database_connections,
        command_timeout=settings.database_seconds,
        timeout=settings.database_seconds,
        server_settings={"application_name": "postgate"},
        reset=reset_session,
    )


def admission(settings: Settings) -> Admission:
    return Admission(
        router=Router(
            _routes(settings),
            functions=settings.auth_functions,
            rpc_prefixes=[prefix.encode() for prefix in RPC_PREFIXES],
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
        Route("rest", b"/rest/", POSTGREST, authority, policy, limit, documented=True, strip=True),
        Route("rpc", b"/rpc/", POSTGREST, authority, policy, limit),
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


def upstream_pools(settings: Settings, clock: Clock) -> dict[str, UpstreamPool]:
    """One pool for each address, however many routes lead there."""
    bounds = limits(settings)
    addresses = {route.upstream for route in settings.routes}
    return {
        POSTGREST: UpstreamPool(_dial(settings.postgrest_url), bounds, clock),
        **{address: UpstreamPool(_dial(address), bounds, clock) for address in sorted(addresses)},
    }


def _authority(url: str) -> bytes:
    return url.removeprefix("http://").encode() if _is_tcp(url) else b"localhost"


def limits(settings: Settings) -> Limits:
    shared = Limits.__slots__ & Settings.model_fields.keys()
    return Limits(**{name: getattr(settings, name) for name in shared})


def function_settings(settings: Settings) -> dict[str, str]:
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


def _dial(url: str) -> Dial:
    if not _is_tcp(url):
        return dial_unix(url.removeprefix("unix:"))
    parts = httpx.URL(url)
    return dial_tcp(parts.host, parts.port or 80)


def postgrest_client(url: str) -> httpx.AsyncClient:
    """A client for readiness probes; HTTP_PROXY and its like are none of its business."""
    path = None if _is_tcp(url) else url.removeprefix("unix:")
    transport = httpx.AsyncHTTPTransport(uds=path)
    base = url if _is_tcp(url) else "http://localhost"
    return httpx.AsyncClient(base_url=base, transport=transport, trust_env=False)


def ask_postgres(database: "asyncpg.Pool[asyncpg.Record]") -> Ask:
    async def ask() -> bool:
        return bool(await database.fetchval("select true"))

    return ask


def ask_postgrest(client: httpx.AsyncClient) -> Ask:
    async def ask() -> bool:
        # A table that is not there: the answer takes a loaded schema cache, and costs next to nothing.
        answer = await client.head("/postgate_readiness")
        return not answer.is_server_error

    return ask
