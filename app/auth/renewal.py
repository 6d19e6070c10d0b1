"""Renew a session inside a request: the refresh function, called once for a token however many ask.

It calls the same function that `POST /rpc/refresh_token` does, so whatever that function is, renewal means
the same. A token that was refused is not asked about again for a while: it will not come to life.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from app.auth.functions import AuthFunctions, FunctionCall, Reply
from app.auth.limits.guard import RenewalTries
from app.core.cookies import CookieNames, deletes, name_of, value_of
from app.core.requests import Admitted, Renewed, Request
from app.errors import DatabaseUnavailable, RateLimited

# Said of the request's own body and answer: the call has another one, and none of these
_OF_THE_REQUEST: Final = frozenset(
    {b"accept", b"content-length", b"content-type", b"cookie", b"prefer", b"transfer-encoding"}
)
_DEAD_SECONDS: Final = 60.0
_DEAD_TOKENS: Final = 10_000
_PAUSE_SECONDS: Final = 10
_TOO_OFTEN: Final = 429
_REFUSED: Final = frozenset({400, 401, 403})  # 400: as functions raise without a state of their own


class Renewals:
    """The renewals of one process."""

    def __init__(
        self,
        functions: AuthFunctions,
        function: str,
        names: CookieNames,
        tries: RenewalTries,
        now: Callable[[], float],
    ) -> None:
        self._functions = functions
        self._function = function
        self._names = names
        self._tries = tries
        self._now = now
        self._flights: dict[bytes, asyncio.Task[Renewed | None]] = {}
        self._dead: OrderedDict[bytes, float] = OrderedDict()  # digests: tokens may be long

    async def renew(self, request: Request, admitted: Admitted) -> Renewed | None:
        """The session's new token and cookies; None if it has ended.

        A client that leaves does not take the renewal with it: the others wait for the same one.
        Raises RateLimited, and what a call of a function raises.
        """
        token = admitted.refresh
        if token is None or self._is_dead(token):
            return None
        flight = self._flights.get(token)
        if flight is None:
            address = admitted.client.address
            if not self._tries.begin(address):
                # Not None: a neighbour's guesses must not sign anybody out
                raise RateLimited(seconds=_PAUSE_SECONDS, reason="renewal: address")
            flight = self._flights[token] = asyncio.create_task(self._renew(token, request, address))
            flight.add_done_callback(lambda _: self._flights.pop(token, None))
        return await asyncio.shield(flight)

    async def _renew(self, token: bytes, request: Request, address: str) -> Renewed | None:
        is_refused = False
        try:
            reply = await self._call(token, request, address)
            renewed = self._read(reply)
            if reply.status == _TOO_OFTEN:
                raise RateLimited(seconds=_PAUSE_SECONDS, reason="renewal: the function")
            if renewed is None and reply.status not in _REFUSED:
                raise DatabaseUnavailable(reason=f"renewal: the function answers {reply.status}")
            is_refused = renewed is None
            if is_refused:
                self._bury(token)
            return renewed
        finally:
            if not is_refused:
                self._tries.succeed(address)

    async def _call(self, token: bytes, request: Request, address: str) -> Reply:
        cookie = b"%b=%b" % (self._names.refresh, token)
        others = [header for header in request.headers if header[0] not in _OF_THE_REQUEST]
        return await self._functions.call(
            FunctionCall(
                name=self._function,
                path=f"/rpc/{self._function}",
                query=b"",
                headers=[*others, (b"cookie", cookie)],
                body=b"",
                address=address,
            )
        )

    def _read(self, reply: Reply) -> Renewed | None:
        cookies = tuple(value for name, value in reply.headers if name.lower() == b"set-cookie")
        access = [value for value in cookies if name_of(value) == self._names.access and not deletes(value)]
        if reply.status >= 300 or not access:  # noqa: PLR2004  not a success
            return None
        return Renewed(value_of(access[-1]), cookies)

    def _is_dead(self, token: bytes) -> bool:
        now = self._now()
        while self._dead and next(iter(self._dead.values())) <= now:
            self._dead.popitem(last=False)
        return sha256(token).digest() in self._dead

    def _bury(self, token: bytes) -> None:
        self._dead[sha256(token).digest()] = self._now() + _DEAD_SECONDS
        if len(self._dead) > _DEAD_TOKENS:
            self._dead.popitem(last=False)
