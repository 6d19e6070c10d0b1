"""Who the client is, when proxies that are trusted stand in front, and what the upstream is told.

X-Forwarded-* from anybody else is a claim, not a fact: it is dropped and written anew. Via is kept and added
to (RFC 9110 section 7.6.3), and tells a gateway that a request goes round.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import NamedTuple

from app.core.headers import Header, RequestHeaders
from app.core.hosts import is_host
from app.errors import LoopDetected

Network = IPv4Network | IPv6Network
_VIA = b"Via: 1.1 "


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of one connection, and the lines that tell the upstream about it."""

    address: str
    scheme: str  # of the connection itself: http or https
    trusted: bool
    lines: bytes


class Client(NamedTuple):
    """The client as far back as trust reaches."""

    address: str
    scheme: str
    host: bytes
    lines: bytes  # Via, X-Forwarded-For, -Proto and -Host for the upstream


class TrustedProxies:
    """The networks whose word about the client counts, and this gateway's own name among those on the way."""

    def __init__(self, networks: Sequence[Network], name: bytes = b"postgate") -> None:
        self._networks = tuple(networks)
        self._name = name
        # One object for each, which the hot path compares by identity
        self.peer: Callable[[str, str], Peer] = lru_cache(maxsize=1_024)(self._peer)

    def _peer(self, address: str, scheme: str) -> Peer:
        return Peer(address, scheme, self._trusts(address), self._lines(address.encode(), scheme))

    def find(self, peer: Peer, read: RequestHeaders, version: str) -> Client:
        """The client of a request. Raises LoopDetected."""
        if read.via and read.via.count(self._name) > 1:  # once: a service behind it asks it in turn
            raise LoopDetected
        if peer.trusted:
            client = self.client(
                peer, read.forwarded_for, read.forwarded_proto, read.forwarded_host, read.host
            )
        else:
            client = Client(peer.address, peer.scheme, read.host, peer.lines)
        if version == "1.0":
            return client._replace(lines=client.lines.replace(_VIA, b"Via: 1.0 ", 1))
        return client

    def address_of(self, peer: Peer, headers: Sequence[Header]) -> str:
        """The client's address, of a request that may not be read any further."""
        if not peer.trusted:
            return peer.address
        forwarded_for = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        return self._first_stranger(peer, forwarded_for)

    def _first_stranger(self, peer: Peer, forwarded_for: bytes) -> str:
        chain = [entry.strip() for entry in forwarded_for.decode("latin-1").split(",") if entry.strip()]
        address = peer.address
        while chain and self._trusts(address) and _read_address(chain[-1]) is not None:
            address = chain.pop()
        return address

    def _trusts(self, address: str) -> bool:
        parsed = _read_address(address)
        return parsed is not None and any(parsed in network for network in self._networks)

    def client(self, peer: Peer, forwarded_for: bytes, proto: bytes, host: bytes, own_host: bytes) -> Client:
        """Read the forwarding headers of a trusted peer.

        The list is walked from its end, where our own proxies wrote, to the first address that is not one
        of them: everything before it is the client's to invent.
        """
        address = self._first_stranger(peer, forwarded_for)
        told_scheme = proto.rpartition(b",")[2].strip().lower()  # the last word is our own proxy's
        scheme = "https" if told_scheme == b"https" else "http" if told_scheme else peer.scheme
        named = host if is_host(host) else own_host
        told = b"%b, %b" % (forwarded_for, peer.address.encode()) if forwarded_for else peer.address.encode()
        return Client(address, scheme, named, self._lines(told, scheme))

    def _lines(self, forwarded_for: bytes, scheme: str) -> bytes:
        return b"%b%b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\nX-Forwarded-Host: " % (
            _VIA,
            self._name,
            forwarded_for,
            scheme.encode(),
        )


def _read_address(text: str) -> IPv4Address | IPv6Address | None:
    """An address, or None. No IPv6 zone: it may hold any text; a mapped IPv4 address is that address."""
    if "%" in text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
