"""Response headers that make browsers protect a page, added unless the upstream sets its own.

PostgREST's responses get all four: they do not affect an API, and SQL can set its own. Responses of other
services get only Strict-Transport-Security, which applies to the whole host: nosniff, a Referrer-Policy or a
frame policy can break their pages.
"""

from typing import Final

from app.errors import Headers

# The fields that a response already has, as bits. X-Frame-Options counts, because frame-ancestors overrides
# it
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
    # A page of the same site may show a file from SQL in a frame
    FRAMING: (b"Content-Security-Policy", b"frame-ancestors 'self'"),
}
_YEAR: Final = b"max-age=31536000"
_VALUES: Final = {"off": b"", "host": _YEAR, "subdomains": _YEAR + b"; includeSubDomains"}


class Protection:
    """These headers, made once. `hsts` is `off`, `host` or `subdomains`: the hosts that require https."""

    def __init__(self, hsts: str = "host") -> None:
        value = _VALUES[hsts]
        self._hsts: Headers = [(b"Strict-Transport-Security", value)] if value else []
        self._api = self._table(is_api=True)
        self._other = self._table(is_api=False)

    def lines(self, present: int, *, is_api: bool, is_https: bool) -> bytes:
        """Header lines for a relayed response that already has the fields of the bits in `present`."""
        # RFC 6797 section 7.2: no Strict-Transport-Security without https
        mask = present if is_https else present | TRANSPORT
        return self._api[mask] if is_api else self._other[mask]

    def headers(self, present: int, *, is_https: bool) -> Headers:
        """Headers for the response of an auth function that already has the fields in `present`."""
        return self._missing(present if is_https else present | TRANSPORT, is_api=True)

    def transport(self, *, is_https: bool) -> Headers:
        """The header that `errors.render` does not add: it depends on the scheme."""
        return self._hsts if is_https else []

    def _table(self, *, is_api: bool) -> tuple[bytes, ...]:
        tables = (self._missing(mask, is_api=is_api) for mask in range(_ALL + 1))
        return tuple(b"".join(b"%b: %b\r\n" % header for header in headers) for headers in tables)

    def _missing(self, present: int, *, is_api: bool) -> Headers:
        wanted = [header for bit, header in _API.items() if is_api and not present & bit]
        return wanted if present & TRANSPORT else wanted + self._hsts
