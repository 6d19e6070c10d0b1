"""Look-ups of names by the system's resolver, without one name blocking another.

Only `getaddrinfo` uses all of the system's configuration: /etc/hosts, nsswitch, search domains, Docker's
resolver, and scopes of link-local addresses. It blocks its thread until the resolver's timeout, also after
the caller has given up. libuv has four threads for all look-ups of a process, so a few look-ups that hang
block all others. Here each look-up has its own thread, and concurrent callers of one name share one look-up.

Nothing is cached: a container that restarts with another address is found at the next look-up.
"""

import asyncio
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from threading import Thread
from typing import Final, NamedTuple, TypeAlias

from aiohappyeyeballs import AddrInfoType

LookUp: TypeAlias = Callable[..., Sequence[AddrInfoType]]

# Names come only from the settings, so reaching this bound is a defect
MOST_LOOK_UPS: Final = 256
RESOLVER_SILENT: Final = "the resolver does not respond"


class NameNotResolved(socket.gaierror):
    """A name has no address. `strerror` is a clause with the name, without a full stop."""


class _LookUpKey(NamedTuple):
    host: str
    family: int
    kind: int
    protocol: int
    flags: int


_Outcome: TypeAlias = "Sequence[AddrInfoType] | Exception"


class Names:
    """The look-ups of one event loop. `look_up` stands in for `socket.getaddrinfo`."""

    def __init__(self, look_up: LookUp = socket.getaddrinfo, most: int = MOST_LOOK_UPS) -> None:
        self._look_up = look_up
        self._most = most
        self._pending: dict[_LookUpKey, asyncio.Future[_Outcome]] = {}

    async def find(
        self,
        host: str,
        port: int | str | None,
        *,
        family: int = 0,
        kind: int = 0,
        protocol: int = 0,
        flags: int = 0,
    ) -> list[AddrInfoType]:
        """The addresses of a name, in the order of RFC 6724. Raises NameNotResolved.

        It waits as long as the resolver: bound it with a timeout. If a caller gives up, the look-up continues
        for others and for later callers.
        """
        key = _LookUpKey(host, family, kind, protocol, flags)
        pending = self._pending.get(key)
        if pending is None:
            pending = self._begin(key)
        try:
            outcome = await asyncio.shield(pending)
        except asyncio.CancelledError as cancelled:
            cancelled.add_note(RESOLVER_SILENT)  # the reason, for a TimeoutError that is made of it
            raise
        if isinstance(outcome, Exception):
            raise _not_resolved(host, outcome)
        return [with_port(info, port) for info in outcome]

    def _begin(self, key: _LookUpKey) -> "asyncio.Future[_Outcome]":
        if len(self._pending) >= self._most:
            raise NameNotResolved(
                socket.EAI_AGAIN, f"the name {key.host} is not looked up: {self._most} look-ups hang"
            )
        loop = asyncio.get_running_loop()
        pending: asyncio.Future[_Outcome] = loop.create_future()
        # A daemon thread: the end of the process does not wait for the resolver
        thread = Thread(target=partial(self._run, key, pending, loop), name="look-up", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the limit of threads is reached
            raise NameNotResolved(
                socket.EAI_MEMORY, f"the name {key.host} is not looked up: no thread can be started"
            ) from None
        self._pending[key] = pending
        pending.add_done_callback(lambda _: self._pending.pop(key))
        return pending

    def _run(
        self, key: _LookUpKey, pending: "asyncio.Future[_Outcome]", loop: asyncio.AbstractEventLoop
    ) -> None:
        outcome: _Outcome
        try:
            outcome = self._look_up(key.host, None, key.family, key.kind, key.protocol, key.flags)
        except Exception as error:  # noqa: BLE001  names that cannot be encoded raise UnicodeError
            outcome = error
        with suppress(RuntimeError):  # the loop is closed: no caller waits
            loop.call_soon_threadsafe(_end, pending, outcome)


def _end(pending: "asyncio.Future[_Outcome]", outcome: _Outcome) -> None:
    if not pending.done():
        pending.set_result(outcome)


def with_port(info: AddrInfoType, port: int | str | None) -> AddrInfoType:
    """An address with a port, and with its scope in the host text.

    uvloop reads only host and port of an address, so it would lose the scope of a link-local one.
    """
    family, kind, protocol, name, address = info
    number = int(port or 0)
    if family != socket.AF_INET6:
        return family, kind, protocol, name, (address[0], number)
    host, _, flow, scope = address
    text = f"{host}%{scope}" if scope and "%" not in host else host
    return family, kind, protocol, name, (text, number, flow, scope)


def _not_resolved(host: str, error: Exception) -> NameNotResolved:
    """A new error for each caller: an error that is raised twice collects both tracebacks."""
    code = error.errno if isinstance(error, socket.gaierror) else socket.EAI_NONAME
    if code == socket.EAI_AGAIN:
        sentence = f"the resolver has no response for the name {host}"
    elif code in {socket.EAI_FAIL, socket.EAI_MEMORY, socket.EAI_SYSTEM}:
        sentence = f"the resolver fails for the name {host}"
    else:
        sentence = f"the name {host} is unknown"
    return NameNotResolved(code, sentence)
