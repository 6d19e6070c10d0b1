"""How the gateway handles each request header, by its name."""

from typing import Final

from app.core.http.claimed import fold, is_claimed

# Plain integers: an enum member costs more to look up than to compare.
PASS: Final = 0
DROP: Final = 1
HOST: Final = 2
COOKIE: Final = 3
AUTHORIZATION: Final = 4
CONNECTION: Final = 5
CONTENT_LENGTH: Final = 6
TRANSFER_ENCODING: Final = 7
ORIGIN: Final = 8
FETCH_SITE: Final = 9
VIA: Final = 10
TRACEPARENT: Final = 11
TRACESTATE: Final = 12
EXPECT: Final = 13
EARLY_DATA: Final = 14
CONTENT_PROFILE: Final = 15
PREFLIGHT_METHOD: Final = 16
PREFLIGHT_HEADERS: Final = 17
ACCEPT_PROFILE: Final = 18
UPGRADE: Final = 19
# From here on: fields of a trusted proxy
FORWARDED_FOR: Final = 20
FORWARDED_PROTO: Final = 21
FORWARDED_HOST: Final = 22
FORWARDED_PORT: Final = 23
OTHER_ADDRESS_FIELD: Final = 24  # not read; a proxy may send it instead of X-Forwarded-For
OTHER_SCHEME_FIELD: Final = 25  # not read; a proxy may send it instead of X-Forwarded-Proto

CACHED_NAME_BYTES: Final = 64
CACHED_NAMES: Final = 1024
_KINDS: dict[bytes, int] = {
    b"host": HOST,
    b"cookie": COOKIE,
    b"authorization": AUTHORIZATION,
    b"connection": CONNECTION,
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"origin": ORIGIN,
    b"sec-fetch-site": FETCH_SITE,
    b"x-forwarded-for": FORWARDED_FOR,
    b"x-forwarded-proto": FORWARDED_PROTO,
    b"x-forwarded-host": FORWARDED_HOST,
    b"x-forwarded-port": FORWARDED_PORT,
    b"forwarded": OTHER_ADDRESS_FIELD,
    b"x-real-ip": OTHER_ADDRESS_FIELD,
    b"x-client-ip": OTHER_ADDRESS_FIELD,
    b"cf-connecting-ip": OTHER_ADDRESS_FIELD,
    b"true-client-ip": OTHER_ADDRESS_FIELD,
    b"x-forwarded-ssl": OTHER_SCHEME_FIELD,
    b"x-forwarded-scheme": OTHER_SCHEME_FIELD,
    b"x-forwarded-protocol": OTHER_SCHEME_FIELD,
    b"x-url-scheme": OTHER_SCHEME_FIELD,
    b"x-scheme": OTHER_SCHEME_FIELD,
    b"front-end-https": OTHER_SCHEME_FIELD,
    b"expect": EXPECT,
    b"early-data": EARLY_DATA,
    b"content-profile": CONTENT_PROFILE,
    b"upgrade": UPGRADE,
    b"via": VIA,
    b"traceparent": TRACEPARENT,
    b"tracestate": TRACESTATE,
    b"accept-profile": ACCEPT_PROFILE,
    b"access-control-request-method": PREFLIGHT_METHOD,
    b"access-control-request-headers": PREFLIGHT_HEADERS,
}

_HOP_BY_HOP = frozenset({b"keep-alive", b"te", b"trailer", b"http2-settings"})
_READ = frozenset(_KINDS)
# All other fields of a client are forwarded, to an upstream and to SQL
NOT_FORWARDED = frozenset(
    {
        *(DROP, CONNECTION, TRANSFER_ENCODING, UPGRADE, EXPECT, EARLY_DATA),
        *(FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, FORWARDED_PORT),
        *(OTHER_ADDRESS_FIELD, OTHER_SCHEME_FIELD),
    }
)


def kind_of(name: bytes) -> int:
    """The kind of a request header, by its lower-case name. Short names are cached, up to CACHED_NAMES."""
    kind = _KINDS.get(name)
    if kind is None:
        kind = _classify(name)
        if len(name) <= CACHED_NAME_BYTES and len(_KINDS) < CACHED_NAMES:
            _KINDS[name] = kind
    return kind


def _classify(name: bytes) -> int:
    folded = fold(name)
    if b"_" in name or folded in _HOP_BY_HOP or is_claimed(folded):
        return DROP
    return DROP if folded != name and folded in _READ else PASS
