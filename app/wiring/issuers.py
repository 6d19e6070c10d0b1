"""The issuers of the settings: the cache of decisions, their authenticator, and what decides.

Without issuers, none of this exists, and requests are authenticated as always.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import httpx

from app.auth.functions import AuthFunctions
from app.auth.issuers import FETCH_SECONDS, Issuer, KeyFetcher, KeySet, TokenDecisions
from app.core.admission import Admission
from app.core.authenticators import AUTHENTICATORS, Authenticator, IssuerBearer, SessionCookie
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions, Minting
from app.core.tokens.issued import IssuerRules
from app.core.tokens.role_claim import read_role_claim
from app.events import Observer
from app.proxy.gateway import Gateway
from app.settings import Settings
from app.settings.issuers import IssuerSetting, is_allowed_url


def admissions_of(settings: Settings, revocations: Revocations) -> Admissions | None:
    """The cache of decisions about tokens of issuers; None without issuers."""
    if not settings.issuers:
        return None
    return Admissions([issuer.issuer for issuer in settings.issuers], minting(settings), revocations)


def minting(settings: Settings) -> Minting:
    return Minting(
        settings.jwt_ring.signing,
        read_role_claim(settings.role_claim),
        settings.anon_role,
        settings.jwt_audience,
        settings.jwt_leeway_seconds,
    )


def authenticators(admissions: Admissions | None) -> tuple[Authenticator, ...]:
    """The kinds of credentials; tokens of issuers are accepted as Bearer, and not in a cookie."""
    return AUTHENTICATORS if admissions is None else (SessionCookie(), IssuerBearer(admissions))


class IssuerService:
    """Decides about tokens of issuers, and keeps the keys of the issuers."""

    def __init__(
        self,
        settings: Settings,
        admissions: Admissions,
        functions: AuthFunctions,
        rules: Callable[[], Admission],
        emit: Observer,
    ) -> None:
        # Not HTTP_PROXY and similar variables: another proxy could serve other keys over http
        tls = ssl.create_default_context()
        self._client = httpx.AsyncClient(verify=tls, trust_env=False, timeout=FETCH_SECONDS)
        self._issuers = {setting.issuer: self._issuer(setting, emit) for setting in settings.issuers}
        self._decisions = TokenDecisions(self._issuers, functions, admissions, lambda: rules().verifier, emit)
        self.decide = self._decisions.decide

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keeps the keys fresh."""
        async with self._client:
            tasks = [asyncio.create_task(issuer.keys.run()) for issuer in self._issuers.values()]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

    def _issuer(self, setting: IssuerSetting, emit: Observer) -> Issuer:
        rules = IssuerRules(setting.issuer, setting.audiences, setting.algorithms)
        fetcher = KeyFetcher(self._client, rules, setting.jwks_url, is_allowed=is_allowed_url)
        return Issuer(rules, KeySet(setting.issuer, fetcher.fetch, time.monotonic, emit))


def issuer_service(
    settings: Settings, admissions: Admissions | None, functions: AuthFunctions, gateway: Gateway
) -> IssuerService | None:
    """The service that decides about tokens of issuers, wired to the gateway; None without issuers."""
    if admissions is None:
        return None
    service = IssuerService(settings, admissions, functions, lambda: gateway.admission, gateway.observe)
    gateway.decide_token = service.decide
    return service
