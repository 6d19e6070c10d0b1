"""Who the client is, when proxies that are trusted stand in front, and what the upstream is told.

X-Forwarded-* from anybody else is a claim, not a fact: it is dropped and written anew. Via is kept and added
to (RFC 9110 section 7.6.3), and tells a gateway that a request goes round.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, NamedTuple

from app.core.http.addresses import own_form, read_address
from app.core.http.headers import Header, RequestHeaders, crossing
from app.core.http.hosts import has_port, is_host
from app.errors import GatewayError, LoopDetected

Network = IPv4Network | IPv6Network
_VIA = b"Via: 1.1 "
# As proxies spell them: Traefik says wss of a WebSocket's handshake, HAProxy's and Apache's users write HTTPS
_SCHEMES: Final = {b"https": "https", b"wss": "https", b"http": "http", b"ws": "http"}
_SCHEMES_OWN_PORTS: Final = frozenset({b"80", b"443"})
_LAST_PORT: Final = 65_535
_PORT_DIGITS: Final = 5
_MOST_HOPS: Final = 32  # proxies of ours in one row
_MOST_REPORTED: Final = 1_024
_REPORTED_BYTES: Final = 64


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
    scheme: str  # http or https
    host: bytes  # as the client wrote it, or as the first proxy wrote it anew
    lines: bytes  # Via, X-Forwarded-For, -Proto, -Port if it is known, and -Host for the upstream
    port: bytes = b""  # the port that clients use, if a proxy names one that `host` lacks


class Unread(NamedTuple):
    """A header of a trusted proxy that says nothing of use: its clients may all look like one."""

    peer: str
    field: str
    value: str  # the part that cannot be read; empty: the header that is read is missing


class TrustedProxies:
    """The networks whose word about the client counts, and this gateway's own name among those on the way."""

    def __init__(self, networks: Sequence[Network], name: bytes = b"postgate") -> None:
        self._networks = tuple(networks)
        self._name = name
        # One object for each, which the hot path compares by identity
        self.peer: Callable[[str, str], Peer] = lru_cache(maxsize=1_024)(self._peer)
        self._trusts: Callable[[str], bool] = lru_cache(maxsize=4_096)(self._is_trusted)
        self._reported: set[tuple[str, str]] = set()
        self._unread: list[Unread] = []

    def _peer(self, address: str, scheme: str) -> Peer:
        address = own_form(address)
        lines = self._lines(address.encode(), scheme, b"")
        return Peer(address, scheme, self._trusts(address), lines)

    def find(self, peer: Peer, read: RequestHeaders, version: str) -> Client:
        """The client of a request. Raises LoopDetected."""
        if read.via and read.via.count(self._name) > 1:  # once: a service behind it asks it in turn
            raise LoopDetected
        if peer.trusted:
            client = self._told(peer, read)
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
        return self._walk(peer, forwarded_for)[0][-1]

    def take_unread(self) -> list[Unread]:
        """What could not be read since the last call: each header of each proxy once, and not again."""
        unread, self._unread = self._unread, []
        return unread

    def is_https(self, peer: Peer, headers: Sequence[Header]) -> bool:
        """Whether the client came by https, of a request that may not be read any further."""
        if not peer.trusted:
            return peer.scheme == "https"
        with suppress(GatewayError):
            return self.find(peer, RequestHeaders(headers), "1.1").scheme == "https"
        return False

    def _is_trusted(self, address: str) -> bool:
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        return any(parsed in network for network in self._networks)

    def _told(self, peer: Peer, read: RequestHeaders) -> Client:
        """Read the forwarding headers of a trusted peer."""
        addresses, unread = self._walk(peer, read.forwarded_for)
        if unread:
            self._note(peer, "x-forwarded-for", unread)
        elif read.address_elsewhere and not read.forwarded_for and self._trusts(peer.address):
            self._note(peer, read.address_elsewhere.decode(), b"")
        hops = max(1, len(addresses) - 1)
        scheme = self._scheme(peer, read, hops)
        host = _aligned(read.forwarded_host, hops)
        if not is_host(host):
            if host:
                self._note(peer, "x-forwarded-host", host)
            host = read.host
        port = self._port(peer, _aligned(read.forwarded_port, hops)) if not has_port(host) else b""
        addresses.reverse()
        lines = self._lines(", ".join(addresses).encode(), scheme, port)
        return Client(addresses[0], scheme, host, lines, port)

    def _walk(self, peer: Peer, forwarded_for: bytes) -> tuple[list[str], bytes]:
        """The addresses from the peer back to the client, and the entry that could not be read.

        The list is walked from its end, where our own proxies wrote, to the first address that is not one
        of them: everything before it is the client's to invent. An entry that is no address ends it too:
        then the proxy that wrote it counts as the client.
        """
        addresses = [peer.address]
        for entry in reversed(forwarded_for.rsplit(b",", _MOST_HOPS)[-_MOST_HOPS:]):
            written = entry.strip(b" \t")
            if not written:
                continue
            if not self._trusts(addresses[-1]):
                break
            address = read_address(written)
            if address is None:
                return addresses, written
            addresses.append(address)
        return addresses, b""

    def _scheme(self, peer: Peer, read: RequestHeaders, hops: int) -> str:
        told = _aligned(read.forwarded_proto, hops)
        scheme = _SCHEMES.get(told.lower())
        if scheme is not None:
            return scheme
        if told:
            self._note(peer, "x-forwarded-proto", told)
        elif read.scheme_elsewhere:
            self._note(peer, read.scheme_elsewhere.decode(), b"")
        return peer.scheme

    def _port(self, peer: Peer, told: bytes) -> bytes:
        """The port, unless it is the one of http or https: behind TLS that ends further out it is a guess."""
        if not told or told in _SCHEMES_OWN_PORTS:
            return b""
        if told.isdigit() and len(told) <= _PORT_DIGITS and 0 < int(told) <= _LAST_PORT:
            return b"%d" % int(told)
        self._note(peer, "x-forwarded-port", told)
        return b""

    def _note(self, peer: Peer, field: str, value: bytes) -> None:
        found = (peer.address, field)
        if found not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(found)
            self._unread.append(Unread(peer.address, field, value[:_REPORTED_BYTES].decode("latin-1")))

    def _lines(self, forwarded_for: bytes, scheme: str, port: bytes) -> bytes:
        return b"%b%b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%bX-Forwarded-Host: " % (
            _VIA,
            self._name,
            forwarded_for,
            scheme.encode(),
            b"X-Forwarded-Port: %b\r\n" % port if port else b"",
        )


def public_host(client: Client) -> bytes:
    """The authority that clients use, with its port: what a URL of this gateway begins with."""
    return b"%b:%b" % (client.host, client.port) if client.port else client.host


def sql_headers(headers: Sequence[Header], client: Client) -> list[Header]:
    """The headers of a request as SQL may read them: facts in the place of the client's claims."""
    return [
        *crossing(headers),
        (b"x-forwarded-for", client.address.encode()),
        (b"x-forwarded-proto", client.scheme.encode()),
        (b"x-forwarded-host", client.host),
    ]


def _aligned(told: bytes, hops: int) -> bytes:
    """Of a list to which each proxy adds, the value of the outermost of our own, `hops` from the end.

    A proxy that writes the header anew leaves fewer: then the first one says what it was told.
    """
    if b"," not in told:
        return told.strip(b' \t"')
    values = told.rsplit(b",", hops)
    return values[max(0, len(values) - hops)].strip(b' \t"')
