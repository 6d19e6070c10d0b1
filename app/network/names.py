"""Look-ups of names, by the system's own resolver, without one name waiting for another.

`getaddrinfo` alone knows what the system knows: /etc/hosts, nsswitch, search domains, Docker's resolver, and
scopes of link-local addresses. It blocks its thread until the resolver's own timeout, whenever the caller
gives up. libuv has four threads for all look-ups of a process, so a few for a dead name stop every other one.
Here each look-up has a thread of its own, and one name has one look-up at a time: its callers share it.

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

# Names come from the settings alone, so this is never reached unless something is very wrong
MOST_LOOK_UPS: Final = 256
RESOLVER_SILENT: Final = "the resolver does not answer"


class NameNotResolved(socket.gaierror):
    """There is no address for a name. `strerror` is a sentence with the name and without a full stop."""


class _Question(NamedTuple):
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
        self._pending: dict[_Question, asyncio.Future[_Outcome]] = {}

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

        It waits for as long as the resolver does: bound it with a timeout. A caller that gives up leaves the
        look-up to the others, and to those who ask while it still runs.
        """
        question = _Question(host, family, kind, protocol, flags)
        pending = self._pending.get(question)
        if pending is None:
            pending = self._begin(question)
        try:
            outcome = await asyncio.shield(pending)
        except asyncio.CancelledError as cancelled:
            cancelled.add_note(RESOLVER_SILENT)  # whoever makes a TimeoutError of it can say why
            raise
        if isinstance(outcome, Exception):
            raise _not_resolved(host, outcome)
        return [with_port(info, port) for info in outcome]

    def _begin(self, question: _Question) -> "asyncio.Future[_Outcome]":
        if len(self._pending) >= self._most:
            raise NameNotResolved(
                socket.EAI_AGAIN, f"the name {question.host} is not looked up: {self._most} look-ups hang"
            )
        loop = asyncio.get_running_loop()
        pending: asyncio.Future[_Outcome] = loop.create_future()
        # A daemon: the end of the process does not wait for the resolver
        thread = Thread(target=partial(self._run, question, pending, loop), name="look-up", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # a limit on threads
            raise NameNotResolved(
                socket.EAI_MEMORY, f"the name {question.host} is not looked up: no thread can be started"
            ) from None
        self._pending[question] = pending
        pending.add_done_callback(lambda _: self._pending.pop(question))
        return pending

    def _run(
        self, question: _Question, pending: "asyncio.Future[_Outcome]", loop: asyncio.AbstractEventLoop
    ) -> None:
        outcome: _Outcome
        try:
            outcome = self._look_up(
                question.host, None, question.family, question.kind, question.protocol, question.flags
            )
        except Exception as error:  # noqa: BLE001  names that cannot be encoded raise UnicodeError
            outcome = error
        with suppress(RuntimeError):  # the loop is closed: nobody asks any more
            loop.call_soon_threadsafe(_end, pending, outcome)


def _end(pending: "asyncio.Future[_Outcome]", outcome: _Outcome) -> None:
    if not pending.done():
        pending.set_result(outcome)


def with_port(info: AddrInfoType, port: int | str | None) -> AddrInfoType:
    """The address of a host with a port, and with its scope in its text.

    uvloop reads host and port of an address alone, so the scope of a link-local one would be lost.
    """
    family, kind, protocol, name, address = info
    number = int(port or 0)
    if family != socket.AF_INET6:
        return family, kind, protocol, name, (address[0], number)
    host, _, flow, scope = address
    text = f"{host}%{scope}" if scope and "%" not in host else host
    return family, kind, protocol, name, (text, number, flow, scope)


def _not_resolved(host: str, error: Exception) -> NameNotResolved:
    """An error for each caller: raised twice, one would gather the tracebacks of both."""
    code = error.errno if isinstance(error, socket.gaierror) else socket.EAI_NONAME
    if code == socket.EAI_AGAIN:
        sentence = f"the resolver has no answer for the name {host}"
    elif code in {socket.EAI_FAIL, socket.EAI_MEMORY, socket.EAI_SYSTEM}:
        sentence = f"the resolver fails for the name {host}"
    else:
        sentence = f"the name {host} is not known"
    return NameNotResolved(code, sentence)
