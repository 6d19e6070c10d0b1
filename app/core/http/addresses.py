"""Addresses in X-Forwarded-For, with the ports, brackets, quotes and zones that proxies write."""

import re
from functools import lru_cache
from ipaddress import ip_address

_ZONE = rb"(?:%[0-9A-Za-z._~-]{1,32})?"  # dropped: valid on the proxy's machine only (RFC 4007 section 6)
_PORT = rb"(?::[0-9]{1,5})?"
# Azure's gateways and IIS write `192.0.2.1:4711` and `[2001:db8::1]:4711`
_WRITTEN = re.compile(
    rb'"?(?:([0-9]+(?:\.[0-9]+){3})%b|\[([0-9A-Fa-f:.]+)%b\]%b|([0-9A-Fa-f:.]+)%b)"?'
    % (_PORT, _ZONE, _PORT, _ZONE)
).fullmatch
_LONGEST = 96  # bytes: an IPv6 address with brackets, port, zone and quotes


def read_address(written: bytes) -> str | None:
    """The address in an entry of X-Forwarded-For, in its shortest form; None if it is no address.

    `unknown` and `_hidden` (RFC 7239 section 6) are no addresses. An IPv4-mapped IPv6 address becomes the
    IPv4 address, so that a client has the same address over both families.
    """
    return _read(written) if len(written) <= _LONGEST else None


@lru_cache(maxsize=4_096)
def _read(written: bytes) -> str | None:
    match = _WRITTEN(written)
    if match is None:
        return None
    try:
        address = ip_address((match[1] or match[2] or match[3]).decode())
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def own_form(address: str) -> str:
    """The shortest form of the address of a connection; other text, as of a Unix socket, is unchanged."""
    plain = address.partition("%")[0]
    try:
        parsed = ip_address(plain)
    except ValueError:
        return address
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
