"""What is counted by: the networks of an address, the one form of a name, and digests that tell neither.

A digest is made under a key of the gateway's own. A store that others can read holds no name and no address,
and nobody can choose a name so that it meets another one's counter.
"""

import hmac
import json
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple
from unicodedata import normalize

from app.auth.arguments import Arguments, Kind, read_arguments
from app.auth.calls import FunctionCall
from app.auth.documents import compact
from app.auth.replies import Refused

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
_LONGEST_NAME: Final = 1_024  # of which the form is made; longer ones that begin alike are counted together


class Digests:
    """Keys for counters."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _PURPOSE, "sha256")

    def __call__(self, *parts: str) -> str:
        message = "\0".join(parts).encode(errors="replace")
        return hmac.digest(self._key, message, "sha256")[:_DIGEST_BYTES].hex()


class Network(NamedTuple):
    """A network that an address counts for."""

    name: str
    share: int = 1  # how many times the limit of one client it may spend: a wide network has many clients


def networks_of(address: str) -> tuple[Network, ...]:
    """The networks of an address, the narrowest first, the site last.

    IPv4: the address. IPv6: the networks of 64, 56 and 48 bits at once. Providers hand out any of the three
    (RFC 6177), so the narrowest is what one client has at least, and the widest what one site has at most.
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
    """The IPv4 address that an IPv6 address stands for. It is one client, and must not be two."""
    if address.teredo is not None:
        return address.teredo[1]  # the client's, not the server's (RFC 4380 section 4)
    if address.sixtofour is not None:
        return address.sixtofour  # RFC 3056 section 2
    if any(address in network for network in _IPV4_IN_THE_LAST_BITS):
        return IPv4Address(address.packed[-4:])
    return None


def form_of(name: str) -> str:
    """One form for all spellings that a database may take for the same name, and for some more."""
    return normalize("NFKC", normalize("NFKC", name[:_LONGEST_NAME]).casefold()).strip()


def account_of(call: FunctionCall, argument: str) -> str | None:
    """The text that Postgres will read as this argument; None if there is none."""
    try:
        arguments = read_arguments(call)
    except Refused:
        return None  # it is answered without a look at any account
    if argument not in arguments.names:
        return None
    if arguments.kind is Kind.FORM:
        return dict(arguments.fields)[argument]
    return _from_document(arguments, argument)


def _from_document(arguments: Arguments, argument: str) -> str | None:
    # A number stays the text that it was sent as: that is what Postgres makes of it for a text argument
    document: object = json.loads(arguments.document, parse_int=str, parse_float=str)
    if isinstance(document, list):
        document = document[0] if document else None
    value = document.get(argument) if isinstance(document, dict) else None
    if value is None or isinstance(value, str):
        return value
    return compact(value)
