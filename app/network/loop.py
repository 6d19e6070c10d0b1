"""The gateway's event loop: uvloop's, with look-ups that do not block each other (names.py).

The drivers of Postgres and Valkey and the probes' HTTP client resolve names and connect through the loop, so
its rules hold for all of them. They keep the name, which TLS checks.
"""

import asyncio
import socket
from collections.abc import Coroutine
from ipaddress import ip_address
from typing import Any, TypeVar

import uvloop
from typing_extensions import override

from app.network.dialling import race
from app.network.names import Names

T = TypeVar("T")


class Loop(uvloop.Loop):
    """uvloop's loop, with names resolved by `Names` and overlapping connection attempts."""

    def __init__(self) -> None:
        super().__init__()
        self.names = Names()

    @override
    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[Any]:
        name = host.decode() if isinstance(host, bytes) else host
        if not _is_name(name) or _is_service(port):
            found: list[Any] = await super().getaddrinfo(
                host, port, family=family, type=type, proto=proto, flags=flags
            )
            return found
        return await self.names.find(name, port, family=family, kind=type, protocol=proto, flags=flags)

    @override
    async def create_connection(
        self, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        if options.get("sock") is not None or options.get("local_addr") is not None or not _is_name(host):
            return await super().create_connection(protocol_factory, host, port, **options)
        how = {name: options.pop(name, 0) for name in ("family", "proto", "flags")}
        connected = await race(await self.getaddrinfo(host, port, type=socket.SOCK_STREAM, **how))
        if options.get("ssl") and options.get("server_hostname") is None:
            options["server_hostname"] = host
        try:
            return await super().create_connection(protocol_factory, sock=connected, **options)
        except BaseException:
            connected.close()
            raise


def run(main: Coroutine[Any, Any, T]) -> T:
    """`asyncio.run` in this loop, for a command of the operator. Its end waits for no look-up."""
    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(main)


def _is_name(host: object) -> bool:
    """Whether it is a name, not an address or empty."""
    if not isinstance(host, str) or not host:
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return "%" in host  # getaddrinfo resolves the scope of an address


def _is_service(port: object) -> bool:
    return isinstance(port, str) and not port.isdecimal()
