"""The client of a request behind trusted proxies, and the forwarding fields for the upstream.

X-Forwarded-* of other peers is dropped, and the gateway writes it. Via is extended (RFC 9110 section 7.6.3);
it shows a gateway that a request loops.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final, NamedTuple

from app.core.http.addresses import own_form, read_address
from app.core.http.headers import Header, RequestHeaders, forwardable
from app.core.http.hosts import has_port, is_host
from app.core.http.octets import holds
from app.errors import GatewayError, LoopDetected

Network = IPv4Network | IPv6Network
_VIA = b"Via: 1.1 "
# As proxies write them: Traefik writes wss for a WebSocket handshake; HAProxy and Apache users write HTTPS
_SCHEMES: Final = {b"https": "https", b"wss": "https", b"http": "http", b"ws": "http"}
_SCHEMES_OWN_PORTS: Final = frozenset({b"80", b"443"})
_LAST_PORT: Final = 65_535
_PORT_DIGITS: Final = 5
_MOST_HOPS: Final = 32  # trusted proxies in a row
_MOST_REPORTED: Final = 1_024
_REPORTED_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of one connection, and the forwarding lines for the upstream that follow from it."""

    address: str
    scheme: str  # of the connection itself: http or https
    trusted: bool
    lines: bytes


class Client(NamedTuple):
    """The client, or the first proxy before the trusted ones."""

    address: str
    scheme: str  # http or https
    host: bytes  # as the client wrote it, or as the outermost trusted proxy reports it
    lines: bytes  # Via, X-Forwarded-For, -Proto, -Port if it is known, and -Host for the upstream
    port: bytes = b""  # the public port, if a proxy reports one that `host` lacks


class Unreadable(NamedTuple):
    """A forwarding field of a trusted proxy that cannot be read: all its clients may count as one."""

    peer: str
    field: str
    value: str  # the unreadable part; empty: the proxy sends this field instead of the one that is read


class TrustedProxies:
    """The networks whose forwarding fields are trusted, and this gateway's name in Via."""

    def __init__(self, networks: Sequence[Network], name: bytes = b"postgate") -> None:
        self._networks = tuple(networks)
        self._name = name
        # One object for each peer, which the hot path compares by identity
        self.peer: Callable[[str, str], Peer] = lru_cache(maxsize=1_024)(self._peer)
        self._trusts: Callable[[str], bool] = lru_cache(maxsize=4_096)(self._is_trusted)
        self._reported: set[tuple[str, str]] = set()
        self._unreadable: list[Unreadable] = []

    def _peer(self, address: str, scheme: str) -> Peer:
        address = own_form(address)
        lines = self._lines(address.encode(), scheme, b"")
        return Peer(address, scheme, self._trusts(address), lines)

    def find(self, peer: Peer, read: RequestHeaders, version: str) -> Client:
        """The client of a request. Raises LoopDetected."""
        if read.via and read.via.count(self._name) > 1:  # once is allowed: a service may call its gateway
            raise LoopDetected
        if peer.trusted:
            client = self._read_forwarding(peer, read)
        else:
            client = Client(peer.address, peer.scheme, read.host, peer.lines)
        if version == "1.0":
            return client._replace(lines=client.lines.replace(_VIA, b"Via: 1.0 ", 1))
        return client

    def address_of(self, peer: Peer, headers: Sequence[Header]) -> str:
        """The client's address, of a request that was not admitted."""
        if not peer.trusted:
            return peer.address
        forwarded_for = b",".join(value for name, value in headers if name == b"x-forwarded-for")
        return self._walk(peer, forwarded_for)[0][-1]

    def take_unreadable(self) -> list[Unreadable]:
        """The unreadable fields since the last call; each field of each proxy is reported only once."""
        unreadable, self._unreadable = self._unreadable, []
        return unreadable

    def is_https(self, peer: Peer, headers: Sequence[Header]) -> bool:
        """Whether the client uses https, of a request that was not admitted."""
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

    def _read_forwarding(self, peer: Peer, read: RequestHeaders) -> Client:
        """The client according to the forwarding fields of a trusted peer."""
        addresses, unreadable = self._walk(peer, read.forwarded_for)
        if unreadable:
            self._record_unreadable(peer, "x-forwarded-for", unreadable)
        elif read.other_address_field and not read.forwarded_for and self._trusts(peer.address):
            self._record_unreadable(peer, read.other_address_field.decode(), b"")
        hops = max(1, len(addresses) - 1)
        scheme = self._scheme(peer, read, hops)
        host = _aligned(read.forwarded_host, hops)
        if not is_host(host):
            if host:
                self._record_unreadable(peer, "x-forwarded-host", host)
            host = read.host
        port = self._port(peer, _aligned(read.forwarded_port, hops)) if not has_port(host) else b""
        addresses.reverse()
        lines = self._lines(", ".join(addresses).encode(), scheme, port)
        return Client(addresses[0], scheme, host, lines, port)

    def _walk(self, peer: Peer, forwarded_for: bytes) -> tuple[list[str], bytes]:
        """The addresses from the peer back to the client, and the entry that could not be read.

        The list is read from its end, where trusted proxies wrote, to the first address that is not trusted:
        the client can invent all entries before it. An entry that is no address also ends the walk; then the
        proxy that wrote it counts as the client.
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
        value = _aligned(read.forwarded_proto, hops)
        scheme = _SCHEMES.get(value.lower())
        if scheme is not None:
            return scheme
        if value:
            self._record_unreadable(peer, "x-forwarded-proto", value)
        elif read.other_scheme_field:
            self._record_unreadable(peer, read.other_scheme_field.decode(), b"")
        return peer.scheme

    def _port(self, peer: Peer, value: bytes) -> bytes:
        """The public port; empty for 80 and 443, which are unreliable if an outer proxy terminates TLS."""
        if not value or value in _SCHEMES_OWN_PORTS:
            return b""
        if value.isdigit() and len(value) <= _PORT_DIGITS and 0 < int(value) <= _LAST_PORT:
            return b"%d" % int(value)
        self._record_unreadable(peer, "x-forwarded-port", value)
        return b""

    def _record_unreadable(self, peer: Peer, field: str, value: bytes) -> None:
        found = (peer.address, field)
        if found not in self._reported and len(self._reported) < _MOST_REPORTED:
            self._reported.add(found)
            self._unreadable.append(
                Unreadable(peer.address, field, value[:_REPORTED_BYTES].decode("latin-1"))
            )

    def _lines(self, forwarded_for: bytes, scheme: str, port: bytes) -> bytes:
        return b"%b%b\r\nX-Forwarded-For: %b\r\nX-Forwarded-Proto: %b\r\n%bX-Forwarded-Host: " % (
            _VIA,
            self._name,
            forwarded_for,
            scheme.encode(),
            b"X-Forwarded-Port: %b\r\n" % port if port else b"",
        )


def public_host(client: Client) -> bytes:
    """The authority in URLs of this gateway, with the public port."""
    return b"%b:%b" % (client.host, client.port) if client.port else client.host


def sql_headers(headers: Sequence[Header], client: Client) -> list[Header]:
    """The headers of a request for SQL: the gateway's forwarding fields replace the client's."""
    return [
        *forwardable(headers),
        (b"x-forwarded-for", client.address.encode()),
        (b"x-forwarded-proto", client.scheme.encode()),
        (b"x-forwarded-host", client.host),
    ]


def _aligned(value: bytes, hops: int) -> bytes:
    """The value of the outermost trusted proxy in a list to which each proxy appends: `hops` from the end.

    A proxy that replaces the field leaves fewer values: then it is the first one.
    """
    if not holds(value, b","):
        return value.strip(b' \t"')
    values = value.rsplit(b",", hops)
    return values[max(0, len(values) - hops)].strip(b' \t"')
