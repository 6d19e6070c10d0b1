"""The connection pools for Postgres and the upstreams, and their bounds. No connection is opened here."""

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
from app.proxy.upstream.pool import Dial, UpstreamPool, dial_tcp, dial_unix
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
        # A called function can replace a named statement, and behind a pooler the name may be on another
        # server
        statement_cache_size=0,
    )


def upstream_pools(settings: Settings, clock: Clock) -> dict[str, UpstreamPool]:
    """One pool for each address; several routes may share it."""
    bounds = limits(settings)
    addresses = {route.upstream for route in settings.routes}
    return {
        POSTGREST: UpstreamPool(
            _dial(settings.postgrest_url), bounds, clock, slots=requests_at_once(settings)
        ),
        **{address: UpstreamPool(_dial(address), bounds, clock) for address in sorted(addresses)},
    }


def requests_at_once(settings: Settings) -> int:
    """The slots of one worker: in all 1.25 times PostgREST's pool, so that its connections are never idle."""
    if settings.postgrest_pool is None:
        return sys.maxsize
    return math.ceil(settings.postgrest_pool * 1.25 / settings.workers)


def limits(settings: Settings) -> Limits:
    """The bounds from the settings; client connections also by the limit of open files."""
    given = {field.name: getattr(settings, field.name) for field in fields(Limits)}
    return Limits(**{**given, "connections": client_connections(look().files, settings)})


def authority(url: str) -> bytes:
    """The value of Host, without the zone of a link-local address, which is valid on this machine only."""
    return _SCOPE.sub("]", url.removeprefix("http://")).encode() if _is_tcp(url) else b"localhost"


def _is_tcp(url: str) -> bool:
    return url.startswith("http://")


def _dial(url: str) -> Dial:
    if not _is_tcp(url):
        return dial_unix(url.removeprefix("unix:"))
    parts = httpx.URL(url)
    return dial_tcp(parts.host, parts.port or 80)
