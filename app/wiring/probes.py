"""What /ready asks of the gateway's neighbours. An answer says in a sentence what is wrong, or nothing."""

import ssl
import time
from typing import Final

import asyncpg
import httpx
import jwt

from app.database import reason
from app.routes.health import Probe
from app.settings import Settings

_TOKEN_SECONDS: Final = 30
_REFUSAL: Final = 'error="invalid_token"'  # RFC 6750, section 3.1; PostgREST says it of nothing else
_NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # plain http alone: no authorities to load


def postgres_probe(database: "asyncpg.Pool[asyncpg.Record]") -> Probe:
    async def ask() -> str:
        try:
            await database.execute("select")
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            return f"It cannot be reached: {reason(error)}."
        return ""

    return ask


class PostgrestProbe:
    """Whether PostgREST can work, and takes the gateway's tokens.

    If it does not, people sign in and each of their requests is refused: nothing for clients to be sent to.
    One key that it knows is enough, as while secrets are rotated.
    """

    def __init__(self, client: httpx.AsyncClient, settings: Settings) -> None:
        self._client = client
        self._settings = settings

    def adopt(self, settings: Settings) -> None:
        self._settings = settings

    async def __call__(self) -> str:
        for key in self._settings.jwt_keys:
            # A table that is not there: the answer takes a loaded schema cache, and costs next to nothing.
            answer = await self._client.head(
                "/postgate_readiness", headers={"authorization": f"Bearer {mint(self._settings, key)}"}
            )
            if answer.is_server_error:
                return f"It answers with status {answer.status_code}."
            if _REFUSAL not in answer.headers.get("www-authenticate", ""):
                return ""
        return "It refuses the gateway's tokens: `postgate check` says why."


def mint(settings: Settings, key: bytes, role: str | None = None) -> str:
    """A token for one question to PostgREST, of the anonymous role if none is given."""
    claims: dict[str, object] = {
        settings.role_claim: role or settings.anon_role,
        "exp": int(time.time()) + _TOKEN_SECONDS,
    }
    if settings.jwt_audience:
        claims["aud"] = settings.jwt_audience
    return jwt.encode(claims, key, algorithm="HS256")


def postgrest_client(url: str, *, seconds: float) -> httpx.AsyncClient:
    """Straight to PostgREST: HTTP_PROXY and its like would hand our tokens to a stranger."""
    path = url.removeprefix("unix:") if url.startswith("unix:") else None
    return httpx.AsyncClient(
        base_url=url if path is None else "http://localhost",
        transport=httpx.AsyncHTTPTransport(uds=path, verify=_NO_TLS),
        timeout=seconds,
        trust_env=False,
    )
