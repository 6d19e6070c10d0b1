"""The keys of counters: the networks of an address, the canonical form of a name, and digests of both.

Digests are keyed with a secret of the gateway. So a shared store contains no names and no addresses, and no
client can choose a name whose counter collides with another.
"""

import hmac
import json
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple
from unicodedata import normalize

from app.auth.arguments import Arguments, Kind, read_arguments
from app.auth.calls import FunctionCall
from app.auth.documents import compact
from app.auth.replies import Rejected

_PURPOSE: Final = b"postgate: keys of limits"
_DIGEST_BYTES: Final = 16
_IPV6: Final = ((64, 1), (56, 2), (48, 4))  # bits of the network, and its share
_IPV4_IN_THE_LAST_BITS: Final = tuple(
    IPv6Network(network)
    for network in (
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291 section 2.5.5.2)
        "::ffff:0:0:0/96",  # IPv4-translated (RFC 2765 section 2.1)
        "64:ff9b::/96",  # translated by NAT64 or SIIT (RFC 6052 section 2.1)
        "64:ff9b:1::/48",  # the same, of a prefix for local use (RFC 8215)
    )
)
_LONGEST_NAME: Final = 1_024  # characters; longer names with the same start are counted together


class Digests:
    """Makes keys of counters: 32 hexadecimal digits of an HMAC-SHA-256."""

    def __init__(self, secret: bytes) -> None:
        """`secret` is the gateway's; its key for this purpose is derived from it."""
        self._key = hmac.digest(secret, _PURPOSE, "sha256")

    def __call__(self, *parts: str) -> str:
        message = "\0".join(parts).encode(errors="replace")
        return hmac.digest(self._key, message, "sha256")[:_DIGEST_BYTES].hex()


class Network(NamedTuple):
    """A network in which an address is counted."""

    name: str
    share: int = 1  # its limit, as a multiple of one client's: a wide network has many clients


def networks_of(address: str) -> tuple[Network, ...]:
    """The networks of an address, the narrowest first, the site last.

    IPv4: the address. IPv6: all of /64, /56 and /48. Providers assign any of the three (RFC 6177): a client
    has at least a /64, and a site at most a /48. Any other text is a network with that name.
    """
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return (Network(address),)
    if isinstance(parsed, IPv6Address):
        parsed = _embedded(parsed) or parsed
    if isinstance(parsed, IPv4Address):
        return (Network(str(parsed)),)
    return tuple(Network(str(IPv6Network((parsed, bits), strict=False)), share) for bits, share in _IPV6)


def _embedded(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address embeds, so that a client is counted once; None without one."""
    if address.teredo is not None:
        return address.teredo[1]  # the client's, not the server's (RFC 4380 section 4)
    if address.sixtofour is not None:
        return address.sixtofour  # RFC 3056 section 2
    if any(address in network for network in _IPV4_IN_THE_LAST_BITS):
        return IPv4Address(address.packed[-4:])
    return None


def canonical_name(name: str) -> str:
    """One form for all spellings that a database may treat as the same name: NFKC, case folded, trimmed."""
    return normalize("NFKC", normalize("NFKC", name[:_LONGEST_NAME]).casefold()).strip()


def account_of(call: FunctionCall, argument: str) -> str | None:
    """The text that Postgres reads as this argument; None without one."""
    try:
        arguments = read_arguments(call)
    except Rejected:
        return None  # the call fails before it checks a password
    if argument not in arguments.names:
        return None
    if arguments.kind is Kind.FORM:
        return dict(arguments.fields)[argument]
    return _from_document(arguments, argument)


def _from_document(arguments: Arguments, argument: str) -> str | None:
    # A number keeps its text, as Postgres converts it for a text parameter
    document: object = json.loads(arguments.document, parse_int=str, parse_float=str)
    if isinstance(document, list):
        document = document[0] if document else None
    value = document.get(argument) if isinstance(document, dict) else None
    if value is None or isinstance(value, str):
        return value
    return compact(value)
