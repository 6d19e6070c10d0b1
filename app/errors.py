"""Every error of the gateway: its status, stable code and public sentence.

The docstring of a class is the sentence that the client gets, so the text exists once. Private details are in
`__cause__` and in the event, never in the response. One function renders errors for both lanes. The body has
PostgREST's four keys, so that a client needs one parser.
Long because it is a flat list, a few lines for each error.
"""

import json
from typing import ClassVar

Headers = list[tuple[bytes, bytes]]
FixedHeaders = tuple[tuple[bytes, bytes], ...]

# Browsers must treat the gateway's responses as data, and never show them in a frame (OWASP ASVS 5.0, V3.4).
PROTECTION: FixedHeaders = (
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Referrer-Policy", b"same-origin"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class GatewayError(Exception):
    """An error response of the gateway. Abstract: raise a subclass."""

    status: ClassVar[int]
    code: ClassVar[str]
    extra_headers: ClassVar[FixedHeaders] = ()
    closes: ClassVar[bool] = False  # the connection may be out of step afterwards, so it is closed

    def __init__(self, *, reason: str = "", headers: Headers | None = None, hint: str | None = None) -> None:
        """`reason` is for events and the log; `hint` and `headers` are sent to the client."""
        super().__init__(reason or self.message)
        self.reason = reason
        self.hint = hint
        self.headers = headers or []

    @property
    def message(self) -> str:
        """The public sentence."""
        return (type(self).__doc__ or "").strip()


# GW1xx: the request itself


class RequestMalformed(GatewayError):
    """The request is not well-formed HTTP."""

    status = 400
    code = "GW100"
    closes = True


class TargetInvalid(GatewayError):
    """The path of the request is not allowed."""

    status = 400
    code = "GW101"


class HostInvalid(GatewayError):
    """The request needs exactly one valid Host header."""

    status = 400
    code = "GW102"
    closes = True


class MethodNotAllowed(GatewayError):
    """The method is not allowed here."""

    status = 405
    code = "GW103"

    def __init__(self, *, allow: bytes, reason: str = "") -> None:
        super().__init__(reason=reason, headers=[(b"Allow", allow)])


class OriginDenied(GatewayError):
    """The request came from another site."""

    status = 403
    code = "GW104"


class RouteUnknown(GatewayError):
    """There is nothing at this path."""

    status = 404
    code = "GW105"


class BodyTooLarge(GatewayError):
    """The body of the request is too large."""

    status = 413
    code = "GW106"


class HeadTooLarge(GatewayError):
    """The head of the request is too large."""

    status = 431
    code = "GW107"
    closes = True


class TargetTooLong(GatewayError):
    """The target of the request is too long."""

    status = 414
    code = "GW108"
    closes = True


class RequestTimedOut(GatewayError):
    """The request did not arrive in time."""

    status = 408
    code = "GW109"
    closes = True


class CodingUnsupported(GatewayError):
    """The transfer coding of the request is not supported."""

    status = 501
    code = "GW110"
    closes = True


class VersionUnsupported(GatewayError):
    """The HTTP version of the request is not supported."""

    status = 505
    code = "GW111"
    closes = True


class UpgradeRejected(GatewayError):
    """This path does not change protocols."""

    status = 400
    code = "GW112"
    closes = True


class ExpectationFailed(GatewayError):
    """The expectation of the request cannot be met."""

    status = 417
    code = "GW113"


class MethodUnknown(GatewayError):
    """The method is not known here."""

    status = 501
    code = "GW114"
    closes = True


class TooEarly(GatewayError):
    """The request may be a replay: send it again once the connection is secured."""

    status = 425
    code = "GW115"


# GW2xx: the client's credential


class CredentialMissing(GatewayError):
    """Sign in to continue."""

    status = 401
    code = "GW200"
    extra_headers: ClassVar[FixedHeaders] = ((b"WWW-Authenticate", b"Bearer"),)


class TokenRejected(GatewayError):
    """The access token is not valid."""

    status = 401
    code = "GW201"
    # The same response for expired, forged and malformed tokens; the log has the reason (RFC 6750 section
    # 3.1)
    extra_headers: ClassVar[FixedHeaders] = ((b"WWW-Authenticate", b'Bearer error="invalid_token"'),)


class TokenExpired(TokenRejected):
    """JWT expired"""  # PostgREST's words, here and in the header: its clients look for them

    code = "GW205"
    extra_headers: ClassVar[FixedHeaders] = (
        (b"WWW-Authenticate", b'Bearer error="invalid_token", error_description="JWT expired"'),
    )


class CookieAmbiguous(GatewayError):
    """The request carries two different sessions: sign in again."""

    status = 401
    code = "GW202"
    extra_headers: ClassVar[FixedHeaders] = ((b"WWW-Authenticate", b'Bearer error="invalid_token"'),)


class RateLimited(GatewayError):
    """Too many attempts: wait before the next one."""

    status = 429
    code = "GW203"

    def __init__(self, *, seconds: int, reason: str = "") -> None:
        """`seconds` is for Retry-After."""
        super().__init__(reason=reason, headers=[(b"Retry-After", b"%d" % seconds)])


class SignInRedirect(GatewayError):
    """Sign in on the page that Location names."""

    status = 302
    code = "GW204"
    extra_headers: ClassVar[FixedHeaders] = ((b"Vary", b"Cookie, Sec-Fetch-Mode, Accept"),)


class AdmissionDenied(GatewayError):
    """The access token is valid, but it may not be used here."""

    status = 403
    code = "GW206"


# GW3xx: the upstream


class UpstreamUnreachable(GatewayError):
    """The service behind the gateway cannot be reached."""

    status = 502
    code = "GW300"
    extra_headers: ClassVar[FixedHeaders] = ((b"Retry-After", b"1"),)


class UpstreamBroken(GatewayError):
    """The service behind the gateway sent an invalid response."""

    status = 502
    code = "GW301"


class UpstreamTimedOut(GatewayError):
    """The service behind the gateway did not respond in time."""

    status = 504
    code = "GW302"


class UpstreamBusy(GatewayError):
    """The service behind the gateway is busy."""

    status = 503
    code = "GW303"
    extra_headers: ClassVar[FixedHeaders] = ((b"Retry-After", b"1"),)


class LoopDetected(GatewayError):
    """The request loops through the gateway."""

    status = 508
    code = "GW304"


class IssuerUnavailable(GatewayError):
    """The issuer of the access token cannot be reached."""

    status = 503
    code = "GW305"
    extra_headers: ClassVar[FixedHeaders] = ((b"Retry-After", b"1"),)


# GW4xx: the database


class DatabaseUnavailable(GatewayError):
    """The database cannot be reached."""

    status = 503
    code = "GW400"
    extra_headers: ClassVar[FixedHeaders] = ((b"Retry-After", b"1"),)


class DatabaseBusy(GatewayError):
    """The database is busy."""

    status = 503
    code = "GW401"
    extra_headers: ClassVar[FixedHeaders] = ((b"Retry-After", b"1"),)


class RevocationsUnavailable(GatewayError):
    """The gateway cannot check at the moment whether the session is revoked."""

    status = 503
    code = "GW402"
    extra_headers: ClassVar[FixedHeaders] = ((b"Retry-After", b"1"),)


class CookieUnusable(GatewayError):
    """The function set a cookie that browsers reject."""

    status = 500
    code = "GW403"


class TokenUnusable(GatewayError):
    """The function returned a token that the gateway does not accept."""

    status = 500
    code = "GW404"


# GW5xx: the gateway


class InternalError(GatewayError):
    """The gateway failed."""

    status = 500
    code = "GW500"


class GatewayBusy(GatewayError):
    """The gateway is busy."""

    status = 503
    code = "GW501"
    closes = True
    extra_headers: ClassVar[FixedHeaders] = ((b"Retry-After", b"1"),)


class SignInBusy(GatewayError):
    """Too many sign-ins at the moment."""

    status = 503
    code = "GW502"
    extra_headers: ClassVar[FixedHeaders] = ((b"Retry-After", b"5"),)


_bodies: dict[type[GatewayError], bytes] = {}


def _body(kind: type[GatewayError]) -> bytes:
    """The body of an error without a hint: the same for all errors of a class, so it is cached."""
    if kind not in _bodies:
        _bodies[kind] = _write_body(kind)
    return _bodies[kind]


def _write_body(kind: type[GatewayError], hint: str | None = None) -> bytes:
    fields = {"code": kind.code, "message": (kind.__doc__ or "").strip(), "details": None, "hint": hint}
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()


def render(error: GatewayError, request_id: bytes) -> tuple[int, Headers, bytes]:
    """The status, headers and body of an error, the same in both lanes.

    The caller adds Content-Length. `no-store`: a cached error would outlive its cause.
    """
    headers: Headers = [
        (b"Content-Type", b"application/json; charset=utf-8"),
        (b"Cache-Control", b"no-store"),
        *PROTECTION,
        (b"X-Request-Id", request_id),
        *error.extra_headers,
        *error.headers,
    ]
    kind = type(error)
    return error.status, headers, _body(kind) if error.hint is None else _write_body(kind, error.hint)
