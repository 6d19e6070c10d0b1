"""The cross-site check (CSRF) and CORS: which origins may act with the cookies of this origin.

With a cookie as the credential, an API is open to cross-site writes: PostgREST accepts plain HTML forms. So
an unsafe request with cookies must come from this origin or a trusted one. Browsers name the origin in
Sec-Fetch-Site and Origin. A client that sends neither is not a browser, and no page can make it send cookies.
"""

from collections.abc import Iterable

from app.errors import Headers, OriginDenied

SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_OWN_SITE = frozenset({b"same-origin", b"none"})
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
# PostgREST's list, and three more for its clients: Retry-After, Preference-Applied, X-Request-Id
_EXPOSED = (
    b"Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, "
    b"Transfer-Encoding, Range-Unit, Retry-After, Preference-Applied, X-Request-Id"
)
_PREFLIGHT_AGE_SECONDS = b"86400"


class Origins:
    """The origins that may act with cookies: the gateway's, and the trusted ones of the settings."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = frozenset(origin.encode() for origin in trusted)
        # Else a cache serves a response for one origin to another (Fetch standard, CORS and HTTP caches)
        self._line_for_others = _lines([(b"Vary", b"Origin")]) if self._trusted else b""
        self._lines = {origin: _lines(_response_headers(origin)) for origin in self._trusted}

    def check(self, origin: bytes | None, fetch_site: bytes | None, own: bytes) -> None:
        """Admit an unsafe request with cookies, or raise OriginDenied.

        `own` is the public origin, as browsers serialize it. Whole origins are compared: a prefix or suffix
        of a trusted origin can belong to an attacker.
        """
        if fetch_site in _OWN_SITE:
            return
        if origin is None:
            if fetch_site is None:
                return
            raise OriginDenied(reason="cross-site without Origin")
        if origin not in self._trusted and origin.lower() != own:
            raise OriginDenied(reason="foreign Origin")

    def preflight(self, origin: bytes, requested_headers: bytes) -> Headers:
        """The headers of a 204 to a preflight (Fetch standard, CORS protocol). Raises OriginDenied."""
        if origin not in self._trusted:
            raise OriginDenied(reason="preflight from a foreign Origin")
        headers = [
            *_response_headers(origin),
            (b"Access-Control-Allow-Methods", _METHODS),
            (b"Access-Control-Max-Age", _PREFLIGHT_AGE_SECONDS),
        ]
        if requested_headers:
            headers.append((b"Access-Control-Allow-Headers", requested_headers))
        return headers

    def response_lines(self, origin: bytes | None) -> bytes:
        """The CORS lines of a relayed response to this origin; None: the request named none."""
        return self._line_for_others if origin is None else self._lines.get(origin, self._line_for_others)

    def response_headers(self, origin: bytes) -> Headers:
        """The CORS headers of a response of the gateway itself, which no cache stores."""
        return _response_headers(origin) if origin in self._trusted else []


def _response_headers(origin: bytes) -> Headers:
    return [
        (b"Access-Control-Allow-Origin", origin),
        (b"Access-Control-Allow-Credentials", b"true"),
        (b"Access-Control-Expose-Headers", _EXPOSED),
        (b"Vary", b"Origin"),
    ]


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%b: %b\r\n" % header for header in headers)
