"""The bounds of all clients together: connections, connections from one address, bytes of half-open requests.

A connection is half-open until its first request is whole, and again while a later one is not, as long as no
session stands behind it. At a bound, the connection that is half-open for longest is closed, so that
clients that hold connections do not keep out new ones.
"""

from ipaddress import IPv6Address

from app.proxy.limits import Limits
from app.proxy.served import ServedConnection

_NETWORK_BITS = 64  # what one IPv6 subscriber has at least (RFC 6177)


class _Address:
    """The connections from one address."""

    __slots__ = ("count", "half_open")

    def __init__(self) -> None:
        self.count = 0
        self.half_open: dict[ServedConnection, None] = {}


class ClientBounds:
    """One process's. `held_bytes` is what half-open requests hold at the moment."""

    __slots__ = ("_addresses", "_count", "_holding", "_keys", "_silent", "held_bytes")

    def __init__(self) -> None:
        self._addresses: dict[str, _Address] = {}
        self._keys: dict[ServedConnection, str] = {}
        self._count = 0
        self._silent: dict[ServedConnection, None] = {}  # nothing has come yet
        self._holding: dict[ServedConnection, int] = {}  # oldest first, with their bytes
        self.held_bytes = 0

    @property
    def half_open(self) -> int:
        """How many connections are half-open."""
        return len(self._silent) + len(self._holding)

    def enter(self, connection: ServedConnection, address: str, limits: Limits) -> str:
        """Take in a new connection; `address` is empty where many clients share one. Why not, or nothing."""
        self._count += 1
        self._silent[connection] = None
        if address:
            key = self._keys[connection] = key_of(address)
            entry = self._addresses.setdefault(key, _Address())
            entry.count += 1
            if entry.count > limits.address_connections and not self._oldest_gives_way(entry.half_open):
                return "too many connections from one address"
            entry.half_open[connection] = None
        if self._count > limits.connections and not self._oldest_gives_way(self._holding):
            return "too many connections"
        return ""

    def leave(self, connection: ServedConnection) -> None:
        """Note that a connection is gone."""
        self._count -= 1
        self.release(connection)
        key = self._keys.pop(connection, "")
        if key:
            entry = self._addresses[key]
            entry.count -= 1
            if not entry.count:
                del self._addresses[key]

    def hold(self, connection: ServedConnection, count: int, limits: Limits) -> None:
        """Note that a half-open connection holds so many bytes now. It may be the one that is closed."""
        self._silent.pop(connection, None)
        self.held_bytes += count - self._holding.get(connection, 0)
        self._holding[connection] = count
        key = self._keys.get(connection)
        if key is not None:
            self._addresses[key].half_open[connection] = None
        while self.held_bytes > limits.half_open_bytes and self._oldest_gives_way(self._holding):
            pass

    def release(self, connection: ServedConnection) -> None:
        """Note that a connection is not half-open any more."""
        self._silent.pop(connection, None)
        self.held_bytes -= self._holding.pop(connection, 0)
        key = self._keys.get(connection)
        if key is not None:
            self._addresses[key].half_open.pop(connection, None)

    def _oldest_gives_way(
        self, candidates: dict[ServedConnection, None] | dict[ServedConnection, int]
    ) -> bool:
        """End the connection that is half-open for longest. Whether there was one."""
        while candidates:
            oldest = next(iter(candidates))
            is_half_open = oldest in self._silent or oldest.held_bytes() > 0
            self.release(oldest)
            if is_half_open:  # else it is not half-open any more, though its client sent nothing
                oldest.give_way()
                return True
        return False


def key_of(address: str) -> str:
    """The key of one address: an IPv4 address, or the /64 of an IPv6 address."""
    if ":" not in address:
        return address
    try:
        parsed = IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> (128 - _NETWORK_BITS):x}/64"
