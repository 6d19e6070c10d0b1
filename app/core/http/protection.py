"""Response headers by which browsers protect a page and its visitor, where an upstream has not set its own.

PostgREST's answers get all four: they harm no API, and what SQL sets itself stays. Answers of other services
get Strict-Transport-Security alone, which holds for the whole host: nosniff, a Referrer-Policy or a frame
policy may break their pages, and is theirs to set.
"""

from typing import Final

from app.errors import Headers

# What an answer has set already, as bits. X-Frame-Options says what frame-ancestors would override.
NOSNIFF: Final = 1
REFERRER: Final = 2
FRAMING: Final = 4
TRANSPORT: Final = 8
PROTECTS: Final = {
    b"x-content-type-options": NOSNIFF,
    b"referrer-policy": REFERRER,
    b"content-security-policy": FRAMING,
    b"x-frame-options": FRAMING,
    b"strict-transport-security": TRANSPORT,
}
_ALL: Final = NOSNIFF | REFERRER | FRAMING | TRANSPORT
_API: Final = {
    NOSNIFF: (b"X-Content-Type-Options", b"nosniff"),
    REFERRER: (b"Referrer-Policy", b"same-origin"),
    # A file that SQL serves may be shown in a frame of its own site
    FRAMING: (b"Content-Security-Policy", b"frame-ancestors 'self'"),
}
_YEAR: Final = b"max-age=31536000"
_VALUES: Final = {"off": b"", "host": _YEAR, "subdomains": _YEAR + b"; includeSubDomains"}


class Protection:
    """These headers, made once. `hsts` is for which hosts https is the only way: off, host or subdomains."""

    def __init__(self, hsts: str = "host") -> None:
        value = _VALUES[hsts]
        self._hsts: Headers = [(b"Strict-Transport-Security", value)] if value else []
        self._api = self._table(is_api=True)
        self._other = self._table(is_api=False)

    def lines(self, present: int, *, is_api: bool, is_https: bool) -> bytes:
        """Header lines for a relayed answer that has set `present` itself."""
        # RFC 6797 section 7.2: no Strict-Transport-Security without https
        mask = present if is_https else present | TRANSPORT
        return self._api[mask] if is_api else self._other[mask]

    def headers(self, present: int, *, is_https: bool) -> Headers:
        """The same for what an auth function answers."""
        return self._missing(present if is_https else present | TRANSPORT, is_api=True)

    def transport(self, *, is_https: bool) -> Headers:
        """The header that an error of the gateway's own is still missing."""
        return self._hsts if is_https else []

    def _table(self, *, is_api: bool) -> tuple[bytes, ...]:
        tables = (self._missing(mask, is_api=is_api) for mask in range(_ALL + 1))
        return tuple(b"".join(b"%b: %b\r\n" % header for header in headers) for headers in tables)

    def _missing(self, present: int, *, is_api: bool) -> Headers:
        wanted = [header for bit, header in _API.items() if is_api and not present & bit]
        return wanted if present & TRANSPORT else wanted + self._hsts
