"""What becomes of each request header, by its name."""

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
# What a trusted proxy says: from here on
FORWARDED_FOR: Final = 20
FORWARDED_PROTO: Final = 21
FORWARDED_HOST: Final = 22
FORWARDED_PORT: Final = 23
ADDRESS_ELSEWHERE: Final = 24  # a header that is not read, and may be all that a proxy says of the address
SCHEME_ELSEWHERE: Final = 25  # and of the scheme

REMEMBERED_BYTES: Final = 64
REMEMBERED_NAMES: Final = 1024
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
    b"forwarded": ADDRESS_ELSEWHERE,
    b"x-real-ip": ADDRESS_ELSEWHERE,
    b"x-client-ip": ADDRESS_ELSEWHERE,
    b"cf-connecting-ip": ADDRESS_ELSEWHERE,
    b"true-client-ip": ADDRESS_ELSEWHERE,
    b"x-forwarded-ssl": SCHEME_ELSEWHERE,
    b"x-forwarded-scheme": SCHEME_ELSEWHERE,
    b"x-forwarded-protocol": SCHEME_ELSEWHERE,
    b"x-url-scheme": SCHEME_ELSEWHERE,
    b"x-scheme": SCHEME_ELSEWHERE,
    b"front-end-https": SCHEME_ELSEWHERE,
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
# What a client sends besides these goes on, to an upstream and to SQL.
ENDS_HERE = frozenset(
    {
        *(DROP, CONNECTION, TRANSFER_ENCODING, UPGRADE, EXPECT, EARLY_DATA),
        *(FORWARDED_FOR, FORWARDED_PROTO, FORWARDED_HOST, FORWARDED_PORT),
        *(ADDRESS_ELSEWHERE, SCHEME_ELSEWHERE),
    }
)


def kind_of(name: bytes) -> int:
    """What becomes of a request header, by its lower-case name. Short names are remembered."""
    kind = _KINDS.get(name)
    if kind is None:
        kind = _classify(name)
        if len(name) <= REMEMBERED_BYTES and len(_KINDS) < REMEMBERED_NAMES:
            _KINDS[name] = kind
    return kind


def _classify(name: bytes) -> int:
    folded = fold(name)
    if b"_" in name or folded in _HOP_BY_HOP or is_claimed(folded):
        return DROP
    return DROP if folded != name and folded in _READ else PASS
