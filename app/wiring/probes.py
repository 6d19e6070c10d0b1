"""The probes of /ready for Postgres and PostgREST: each returns a sentence about a problem, or nothing."""

import ssl
import time
from typing import Final

import asyncpg
import httpx

from app.core.tokens.jwk import Key
from app.core.tokens.mint import mint
from app.core.tokens.role_claim import read_role_claim
from app.database import reason
from app.routes.readiness import Probe
from app.settings import Settings

_TOKEN_SECONDS: Final = 30
_INVALID_TOKEN: Final = 'error="invalid_token"'  # noqa: S105  RFC 6750 section 3.1
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # only http is used: no certificates to load


def postgres_probe(database: "asyncpg.Pool[asyncpg.Record]") -> Probe:
    async def probe() -> str:
        try:
            await database.execute("select")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return f"It cannot be reached: {reason(error)}."
        return ""

    return probe


class PostgrestProbe:
    """Whether PostgREST works, and accepts the gateway's tokens.

    Otherwise users could sign in, but PostgREST would reject their requests. One accepted key is enough,
    since during a rotation PostgREST may not have all keys.
    """

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def adopt(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self) -> str:
        for key in self._settings.jwt_ring.keys:
            if not key.can_sign:
                continue
            # A table that does not exist: the response needs the schema cache, but no query
            response = await self._client.head(
                "/postgate_readiness", headers={"authorization": f"Bearer {question(self._settings, key)}"}
            )
            if response.is_server_error:
                return f"It responds with status {response.status_code}."
            if _INVALID_TOKEN not in response.headers.get("www-authenticate", ""):
                return ""
        return "It rejects the gateway's tokens: `postgate check` says why."


def question(settings: Settings, key: Key, role: str | None = None) -> str:
    """A token for one request to PostgREST, valid for 30 s; by default with the anonymous role."""
    try:
        claims = read_role_claim(settings.role_claim).place(role or settings.anon_role)
    except ValueError:
        claims = {}  # PostgREST takes the anonymous role by itself
    claims["exp"] = int(time.time()) + _TOKEN_SECONDS
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    return mint(claims, key).decode()


def postgrest_client(url: str, *, seconds: float) -> httpx.AsyncClient:
    """A client without HTTP_PROXY and similar variables: another proxy must not get the gateway's tokens."""
    path = url.removeprefix("unix:") if url.startswith("unix:") else None
    return httpx.AsyncClient(
        base_url=url if path is None else "http://localhost",
        transport=httpx.AsyncHTTPTransport(uds=path, verify=_NO_TLS),
        timeout=seconds,
        trust_env=False,
    )
