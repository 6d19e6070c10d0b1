"""Connect to one of the addresses of a name, with overlapping attempts (RFC 8305)."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Final

from aiohappyeyeballs import AddrInfoType, start_connection

from app.network.words import Unreachable, words

# RFC 8305 section 5: Connection Attempt Delay
ATTEMPT_DELAY_SECONDS: Final = 0.25


async def open_socket(host: str, port: int, seconds: float) -> socket.socket:
    """A connected socket, within `seconds` for look-up and attempts together. Raises Unreachable."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        async with asyncio.timeout_at(deadline):
            addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except TimeoutError:
        raise Unreachable(f"the resolver does not respond for {host} within {seconds:g} s") from None
    except (OSError, UnicodeError) as error:
        raise Unreachable(words(error, host)) from error
    try:
        async with asyncio.timeout_at(deadline):
            return await race(addresses)
    except TimeoutError as error:
        if error.errno == errno.ETIMEDOUT:
            raise Unreachable(f"{place} does not respond") from None
        raise Unreachable(f"{place} does not respond within {seconds:g} s") from None
    except OSError as error:
        if error.errno is None:  # each address failed for another reason
            raise Unreachable(f"no address of {place} accepts a connection") from error
        raise Unreachable(words(error, place)) from error


async def open_unix_socket(path: str, seconds: float) -> socket.socket:
    """A socket connected to a Unix socket. Raises Unreachable."""
    opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        opened.settimeout(0)
        async with asyncio.timeout(seconds):
            await asyncio.get_running_loop().sock_connect(opened, path)
    except BaseException as error:
        opened.close()
        if isinstance(error, TimeoutError):
            raise Unreachable(f"the socket {path} does not respond within {seconds:g} s") from None
        if isinstance(error, OSError):
            raise Unreachable(words(error, f"the socket {path}")) from error
        raise
    return opened


async def race(addresses: Sequence[AddrInfoType]) -> socket.socket:
    """Connect to the address that responds first, and close the other sockets. Raises OSError."""
    if not addresses:
        raise OSError(errno.EADDRNOTAVAIL, "no address")
    return await start_connection(
        addresses, happy_eyeballs_delay=ATTEMPT_DELAY_SECONDS, loop=asyncio.get_running_loop()
    )
