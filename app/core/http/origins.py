"""The cross-site rule and CORS: whose pages may act with the cookies of this origin.

A cookie turned into a Bearer makes an API open to cross-site writes: PostgREST takes plain HTML forms. So an
unsafe request that leans on cookies must come from this origin or a trusted one; browsers say which in
Sec-Fetch-Site and Origin. A client that sends neither is no browser and has no cookies to be lured with.
"""

from collections.abc import Iterable

from app.errors import Headers, OriginDenied

SAFE_METHODS = frozenset({b"GET", b"HEAD", b"OPTIONS"})
_OWN_SITE = frozenset({b"same-origin", b"none"})
_METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
# PostgREST's own list, and three that its clients want and it leaves out.
_EXPOSED = (
    b"Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, "
    b"Transfer-Encoding, Range-Unit, Retry-After, Preference-Applied, X-Request-Id"
)
_PREFLIGHT_AGE_SECONDS = b"86400"


class Origins:
    """The origins that may act here: the gateway's own, and those it was told to trust."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = frozenset(origin.encode() for origin in trusted)
        # Else a cache gives a trusted origin's page what it keeps for others (Fetch, CORS and HTTP caches)
        self._line_for_others = _lines([(b"Vary", b"Origin")]) if self._trusted else b""
        self._lines = {origin: _lines(_response_headers(origin)) for origin in self._trusted}

    def check(self, origin: bytes | None, fetch_site: bytes | None, own: bytes) -> None:
        """Admit an unsafe request that leans on cookies, or raise OriginDenied.

        `own` is this origin as the client sees it, as browsers write it. Compared whole: a suffix or a
        prefix of a trusted origin is somebody else's.
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

    def answer_lines(self, origin: bytes | None) -> bytes:
        """Header lines for an answer to this origin, or to a request of none: whether it may be read."""
        return self._line_for_others if origin is None else self._lines.get(origin, self._line_for_others)

    def response_headers(self, origin: bytes) -> Headers:
        """The same for an answer of the gateway's own, which no cache keeps."""
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
