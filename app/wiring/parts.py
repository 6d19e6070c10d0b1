"""What the composition root puts together: each part as the settings want it. It opens nothing."""

import math
import re
import secrets
import sys
from dataclasses import fields

import asyncpg
import httpx

from app.auth.functions import reset_session
from app.auth.listener import Connection, RevocationListener
from app.auth.queries import GATEWAY_PATH
from app.core.admission import Admission
from app.core.http.forwarding import TrustedProxies
from app.core.http.origins import Origins
from app.core.http.protection import Protection
from app.core.http.routing import Policy, Route, Router
from app.core.session.cookies import HOST_PREFIX, CookieNames
from app.core.session.revocations import EndedSessions
from app.core.tokens.verify import TokenVerifier, hmac_key
from app.events import Observer
from app.proxy.clock import Clock
from app.proxy.limits import Limits
from app.proxy.pool import Dial, UpstreamPool, dial_tcp, dial_unix
from app.settings import Settings
from app.settings.routes import RouteSetting
from app.system import client_connections, look

POSTGREST = "postgrest"
RPC_PREFIXES = ("/rpc/", "/rest/rpc/")
_SCOPE = re.compile(r"%[^\]]*\]")


def database_pool(settings: Settings) -> "asyncpg.Pool[asyncpg.Record]":
    return asyncpg.create_pool(
        settings.database_url.get_secret_value(),
        min_size=0,
        max_size=settings.database_connections,
        command_timeout=settings.database_seconds,
        timeout=settings.database_seconds,
        server_settings={"application_name": "postgate"},
        reset=reset_session,
        # A name on the server can be taken by a called function; behind a pooler it may be on another server
        statement_cache_size=0,
    )


def revocation_listener(settings: Settings, ended: EndedSessions, observe: Observer) -> RevocationListener:
    """On a connection of its own: one that the pool lends out does not listen."""

    async def connect() -> Connection:
        url = settings.listen_database_url or settings.database_url
        connection: Connection = await asyncpg.connect(
            url.get_secret_value(),
            timeout=settings.database_seconds,
            command_timeout=settings.database_seconds,
            server_settings={"application_name": "postgate-listener"},
        )
        try:
            # By a statement: poolers refuse a start that names it
            await connection.execute(f"set search_path to {GATEWAY_PATH}")
        except BaseException:
            connection.terminate()
            raise
        return connection

    return RevocationListener(connect, ended, observe, schema=settings.auth_schema)


def via_name() -> bytes:
    """What this process is called on the way of a request."""
    return b"postgate-%b" % secrets.token_hex(4).encode()


def admission(settings: Settings, ended: EndedSessions, via: bytes) -> Admission:
    return Admission(
        router=Router(
            _routes(settings),
            functions=settings.auth_functions,
            account_functions=settings.account_functions,
            rpc_prefixes=[prefix.encode() for prefix in RPC_PREFIXES],
        ),
        verifier=TokenVerifier(
            [hmac_key(key) for key in settings.jwt_keys],
            role_claim=settings.role_claim,
            audience=settings.jwt_audience,
            leeway_seconds=settings.jwt_leeway_seconds,
            ended=ended,
        ),
        origins=Origins(settings.trusted_origins),
        proxies=TrustedProxies(settings.trusted_proxies, via),
        cookies=cookie_names(settings),
        auth_schema=settings.auth_schema.encode(),
        target_bytes=settings.target_bytes,
        header_count=settings.header_count,
        head_bytes=settings.head_bytes,
        secure_cookies={"auto": None, "always": True, "never": False}[settings.cookie_secure],
        login_url=(settings.login_url or "").encode(),
        protection=Protection(settings.hsts),
        renews=settings.renewal,
    )


def cookie_names(settings: Settings) -> CookieNames:
    return CookieNames(
        settings.access_cookie.encode(),
        settings.refresh_cookie.encode(),
        prefix=HOST_PREFIX if settings.cookie_prefix == "host" else b"",
        refresh_function=settings.refresh_function.encode(),
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
                passes_host=route.host,
                prefix_line=_prefix_line(route),
                stall_seconds=route.stall_seconds,
                first_byte_seconds=route.first_byte_seconds,
            )
            for route in settings.routes
        ),
    ]


def _prefix_line(route: RouteSetting) -> bytes:
    prefix = route.prefix.removesuffix("/").encode()
    return b"X-Forwarded-Prefix: %b\r\n" % prefix if route.strip and prefix else b""


def upstream_pools(settings: Settings, clock: Clock) -> dict[str, UpstreamPool]:
    """One pool for each address, however many routes lead there."""
    bounds = limits(settings)
    addresses = {route.upstream for route in settings.routes}
    return {
        POSTGREST: UpstreamPool(
            _dial(settings.postgrest_url), bounds, clock, at_once=requests_at_once(settings)
        ),
        **{address: UpstreamPool(_dial(address), bounds, clock) for address in sorted(addresses)},
    }


def requests_at_once(settings: Settings) -> int:
    """A quarter more than PostgREST has connections, so that none of them is idle; the workers share them."""
    if settings.postgrest_pool is None:
        return sys.maxsize
    return math.ceil(settings.postgrest_pool * 1.25 / settings.workers)


def _authority(url: str) -> bytes:
    """What Host names: without the scope of a link-local address, which means something here alone."""
    return _SCOPE.sub("]", url.removeprefix("http://")).encode() if _is_tcp(url) else b"localhost"


def limits(settings: Settings) -> Limits:
    """The bounds of the settings; of clients no more than this process has files for."""
    given = {field.name: getattr(settings, field.name) for field in fields(Limits)}
    return Limits(**{**given, "connections": client_connections(look().files, settings)})


def function_settings(settings: Settings) -> dict[str, str]:
    """What auth functions may read with current_setting(), for one transaction and no other role."""
    ring = settings.jwt_ring
    secret, is_base64 = ring.for_sql
    return {
        "app.settings.jwt_secret": secret,
        "app.settings.jwt_secret_is_base64": str(is_base64).lower(),
        "app.settings.jwt_audience": settings.jwt_audience or "",
        "app.settings.access_cookie": settings.access_cookie,
        "app.settings.refresh_cookie": settings.refresh_cookie,
        # The names under which the known recipes look for it.
        "pgrst.jwt_secret": ring.for_recipes,
        "app.jwt_secret": ring.for_recipes,
    }


def _is_tcp(url: str) -> bool:
    return url.startswith("http://")


def _dial(url: str) -> Dial:
    if not _is_tcp(url):
        return dial_unix(url.removeprefix("unix:"))
    parts = httpx.URL(url)
    return dial_tcp(parts.host, parts.port or 80)
