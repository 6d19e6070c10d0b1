"""Fetch the public keys of an issuer: discovery (OpenID Connect Discovery 1.0) and JWK sets (RFC 7517).

All bounds are here: the time of a fetch, the bytes of a document, and where it may come from. A redirect is
followed to the same origin only, so an issuer cannot make the gateway call another host.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import httpx

from app.auth.documents import parse
from app.core.tokens.issued import IssuerRules
from app.core.tokens.jwk import Key, read_key

FETCH_SECONDS: Final = 5.0  # for one document, from the connection to the last byte
MAX_BYTES: Final = 262_144
MAX_KEYS: Final = 100
_MAX_REDIRECTS: Final = 3
# Compressed, a few bytes could become more than the bound
_HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity"}
_DISCOVERY: Final = "/.well-known/openid-configuration"


class FetchFailed(Exception):
    """The keys could not be fetched; the text is the reason, without a value of the other side."""


class KeyFetcher:
    """Fetches the keys of one issuer."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        rules: IssuerRules,
        jwks_url: str,
        *,
        is_allowed: Callable[[str], bool],
        seconds: float = FETCH_SECONDS,
    ) -> None:
        """`jwks_url`: empty for discovery. `is_allowed` says whether a URL of the discovery may be used."""
        self._client = client
        self._rules = rules
        self._jwks_url = jwks_url
        self._is_allowed = is_allowed
        self._seconds = seconds

    async def fetch(self) -> tuple[Key, ...]:
        """The keys that can verify the issuer's tokens; others in the set are skipped. Raises FetchFailed."""
        document = await self._document(self._jwks_url or await self._discover())
        entries = document.get("keys")
        if not isinstance(entries, list):
            raise FetchFailed("the response is not a JWK set")
        keys = [key for entry in entries[:MAX_KEYS] if (key := self._read(entry)) is not None]
        if not keys:
            raise FetchFailed("the JWK set has no key for these algorithms")
        return tuple(keys)

    def _read(self, entry: object) -> Key | None:
        """A public key for signatures; None for any other entry, such as a key for encryption."""
        try:
            key = read_key(entry, self._rules.algorithms) if isinstance(entry, dict) else None
        except ValueError:
            return None
        # A private key in public is no key of the issuer's alone
        return None if key is None or key.can_sign else key

    async def _discover(self) -> str:
        issuer = self._rules.issuer
        document = await self._document(issuer.removesuffix("/") + _DISCOVERY)
        if document.get("issuer") != issuer:  # section 4.3: or one issuer could speak for another
            raise FetchFailed("the discovery document is of another issuer")
        url = document.get("jwks_uri")
        if not isinstance(url, str) or not self._is_allowed(url):
            raise FetchFailed("the discovery document has no jwks_uri with https")
        return url

    async def _document(self, url: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self._seconds):
                raw = await self._follow(httpx.URL(url))
        except TimeoutError:
            raise FetchFailed(f"no complete response within {self._seconds:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise FetchFailed(f"the connection fails ({type(error).__name__})") from None
        try:
            document = parse(raw.decode())
        except (ValueError, RecursionError):
            raise FetchFailed("the response is not JSON") from None
        if not isinstance(document, dict):
            raise FetchFailed("the response is not a JSON object")
        return document

    async def _follow(self, url: httpx.URL) -> bytes:
        for _ in range(_MAX_REDIRECTS + 1):
            request = self._client.build_request("GET", url, headers=_HEADERS)
            response = await self._client.send(request, stream=True)
            try:
                if response.next_request is None:
                    return await _body(response)
                following = response.next_request.url
            finally:
                await response.aclose()
            if (following.scheme, following.host, following.port) != (url.scheme, url.host, url.port):
                raise FetchFailed("the response redirects to another origin")
            url = following
        raise FetchFailed("too many redirects")


async def _body(response: httpx.Response) -> bytes:
    if response.status_code != httpx.codes.OK:
        raise FetchFailed(f"the response has status {response.status_code}")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise FetchFailed("the response is compressed, although the request forbids it")
    raw = b""
    async for part in response.aiter_bytes():
        raw += part
        if len(raw) > MAX_BYTES:
            raise FetchFailed(f"the response has more than {MAX_BYTES} bytes")
    return raw
