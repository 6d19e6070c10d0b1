"""What is counted by: the network of an address, the one form of a name, and digests that tell neither.

A digest is made under a key of the gateway's own. A store that others can read holds no name and no address,
and nobody can choose a name so that it meets another one's counter.
"""

import hmac
import json
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final
from unicodedata import normalize

from app.auth.arguments import Arguments, Kind, read_arguments
from app.auth.calls import FunctionCall
from app.auth.documents import compact
from app.auth.replies import Refused

_PURPOSE: Final = b"postgate: keys of limits"
_DIGEST_BYTES: Final = 16
_LONGEST_NAME: Final = 1_024  # of which the form is made; longer ones that begin alike are counted together


class Digests:
    """Keys for counters."""

    def __init__(self, secret: bytes) -> None:
        self._key = hmac.digest(secret, _PURPOSE, "sha256")

    def __call__(self, *parts: str) -> str:
        message = "\0".join(parts).encode(errors="replace")
        return hmac.digest(self._key, message, "sha256")[:_DIGEST_BYTES].hex()


def network_of(address: str) -> str:
    """What one client may have all of: an IPv4 address, or an IPv6 network of 64 bits (RFC 4291, 2.5.4)."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(IPv6Network((parsed, 64), strict=False))


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
