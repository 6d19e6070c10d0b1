"""The pools of connections to Postgres and to the upstreams, and their bounds. They open nothing yet."""

import math
import re
import sys
from dataclasses import fields
from typing import Final

import asyncpg
import httpx

from app.auth.functions import reset_session
from app.proxy.clock import Clock
from app.proxy.limits import Limits
from app.proxy.pool import Dial, UpstreamPool, dial_tcp, dial_unix
from app.settings import Settings
from app.system.limits import client_connections, look

POSTGREST: Final = "postgrest"
_SCOPE: Final = re.compile(r"%[^\]]*\]")


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


def limits(settings: Settings) -> Limits:
    """The bounds of the settings; of clients no more than this process has files for."""
    given = {field.name: getattr(settings, field.name) for field in fields(Limits)}
    return Limits(**{**given, "connections": client_connections(look().files, settings)})


def authority(url: str) -> bytes:
    """What Host names: without the scope of a link-local address, which means something here alone."""
    return _SCOPE.sub("]", url.removeprefix("http://")).encode() if _is_tcp(url) else b"localhost"


def _is_tcp(url: str) -> bool:
    return url.startswith("http://")


def _dial(url: str) -> Dial:
    if not _is_tcp(url):
        return dial_unix(url.removeprefix("unix:"))
    parts = httpx.URL(url)
    return dial_tcp(parts.host, parts.port or 80)
