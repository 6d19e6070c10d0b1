"""Renew a session inside a request: the refresh function, called once for a token however many ask.

It calls the same function that `POST /rpc/refresh_token` does, so whatever that function is, renewal means
the same. A token that was refused is not asked about again for a while: it will not come to life. Where no
function can renew a session, a refresh cookie is worth what a bad token is: 401, and one warning in the log.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from app.auth.documents import parse
from app.auth.functions import AuthFunctions, FunctionCall, Reply
from app.auth.limits.guard import RenewalAttempts
from app.auth.sign_ins import reports_error
from app.core.http.forwarding import Client, sql_headers
from app.core.requests import Admitted, Renewed, Request
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import deletes, name_of, value_of
from app.errors import DatabaseUnavailable, RateLimited
from app.events import Observer, RefreshUnusable

# Said of the request's own body and answer: the call has another one, and none of these
_OF_THE_REQUEST: Final = frozenset(
    {b"accept", b"content-length", b"content-type", b"cookie", b"prefer", b"transfer-encoding"}
)
_DEAD_SECONDS: Final = 60.0
_DEAD_TOKENS: Final = 10_000
_PAUSE_SECONDS: Final = 10
_MISSING_SECONDS: Final = 10.0  # until a function that was not there is looked for again
_WARNING_SECONDS: Final = 60.0  # between two warnings that no session can be renewed
_TOO_OFTEN: Final = 429
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
_NO_OVERLOAD: Final = "PGRST202"
_SUCCESS: Final = range(200, 300)
_REFUSED: Final = frozenset({400, 401, 403})  # 400: as functions raise without a state of their own
# Classes of SQLSTATE, of errors that the server makes itself: what passes by itself, and what never does
_PASSING: Final = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
_LASTING: Final = frozenset({"42", "3F"})


class Renewals:
    """The renewals of one process."""

    def __init__(  # noqa: PLR0917
        self,
        functions: AuthFunctions,
        function: str,
        names: CookieNames,
        tries: RenewalAttempts,
        now: Callable[[], float],
        observe: Observer,
    ) -> None:
        """`now` counts seconds from any start."""
        self._functions = functions
        self._function = function
        self._names = names
        self._tries = tries
        self._now = now
        self._observe = observe
        self._flights: dict[bytes, asyncio.Task[Renewed | None]] = {}
        self._dead: OrderedDict[bytes, float] = OrderedDict()  # digests: tokens may be long
        self._missing_until = self._warned_until = float("-inf")

    async def renew(self, request: Request, admitted: Admitted) -> Renewed | None:
        """The session's new token and cookies; None if it has ended, or no function can renew it.

        A client that leaves does not take the renewal with it: the others wait for the same one.
        Raises RateLimited, and what a call of a function raises.
        """
        token = admitted.refresh
        if token is None or self._is_dead(token) or self._now() < self._missing_until:
            return None
        flight = self._flights.get(token)
        if flight is None:
            client = admitted.client
            if not self._tries.begin(client.address):
                # Not None: a neighbour's guesses must not sign anybody out
                raise RateLimited(seconds=_PAUSE_SECONDS, reason="renewal: address")
            flight = self._flights[token] = asyncio.create_task(self._renew(token, request, client))
            flight.add_done_callback(lambda _: self._flights.pop(token, None))
        renewed = await asyncio.shield(flight)
        # Abandoned meanwhile: these cookies would replace those of the session that came after
        return None if renewed is None or self._is_dead(token) else renewed

    def abandon(self, token: bytes) -> None:
        """Renew nothing with a token whose session has just ended, not even where it is under way."""
        digest = sha256(token).digest()
        self._dead[digest] = self._now() + _DEAD_SECONDS
        self._dead.move_to_end(digest)
        if len(self._dead) > _DEAD_TOKENS:
            self._dead.popitem(last=False)

    async def _renew(self, token: bytes, request: Request, client: Client) -> Renewed | None:
        is_refused = False
        try:
            reply = await self._call(token, request, client)
            renewed = self._read(reply)
            if reply.status == _TOO_OFTEN:
                raise RateLimited(seconds=_PAUSE_SECONDS, reason="renewal: the function")
            if _passes(reply):
                raise DatabaseUnavailable(reason=f"renewal: the function answers {reply.status}")
            is_refused = renewed is None
            if is_refused:
                self.abandon(token)
                self._judge(reply)
            return renewed
        finally:
            if not is_refused:
                self._tries.succeed(client.address)

    def _judge(self, reply: Reply) -> None:
        """Warn, once in a while, if it is the function that is at fault and not the token."""
        reason = _fault(reply)
        if reason is None:
            return
        now = self._now()
        if _is_missing(reply):
            self._missing_until = now + _MISSING_SECONDS
        if now >= self._warned_until:
            self._warned_until = now + _WARNING_SECONDS
            self._observe(RefreshUnusable(self._function, reason))

    async def _call(self, token: bytes, request: Request, client: Client) -> Reply:
        cookie = b"%b=%b" % (self._names.refresh, token)
        facts = sql_headers(request.headers, client)
        others = [header for header in facts if header[0] not in _OF_THE_REQUEST]
        return await self._functions.call(
            FunctionCall(
                name=self._function,
                path=f"/rpc/{self._function}",
                query=b"",
                headers=[*others, (b"cookie", cookie)],
                body=b"",
                address=client.address,
            )
        )

    def _read(self, reply: Reply) -> Renewed | None:
        cookies = tuple(value for name, value in reply.headers if name.lower() == b"set-cookie")
        access = [value for value in cookies if name_of(value) == self._names.access and not deletes(value)]
        if reply.status not in _SUCCESS or not access:
            return None
        return Renewed(value_of(access[-1]), cookies)

    def _is_dead(self, token: bytes) -> bool:
        now = self._now()
        while self._dead and next(iter(self._dead.values())) <= now:
            self._dead.popitem(last=False)
        return sha256(token).digest() in self._dead


def _passes(reply: Reply) -> bool:
    """Whether the database failed, and may carry out the same call in a moment."""
    return reply.status == _UNAVAILABLE or (reply.sqlstate or "")[:2] in _PASSING


def _is_missing(reply: Reply) -> bool:
    """Whether there is no function to call without arguments; a function may answer 404 as well."""
    if reply.status != _NOT_FOUND:
        return False
    try:
        error = parse(reply.body.decode())
    except ValueError:
        return False
    return isinstance(error, dict) and error.get("code") == _NO_OVERLOAD


def _fault(reply: Reply) -> str | None:
    """Why this is no reply of a function that renews sessions; None if it refuses the token."""
    if _is_missing(reply):
        return "there is no such function without arguments"
    if (reply.sqlstate or "")[:2] in _LASTING:
        return f"the function fails with {reply.sqlstate}"
    if reply.status in _REFUSED or (reply.status in _SUCCESS and reports_error(reply)):
        return None
    if reply.status in _SUCCESS:
        return f"the function answers {reply.status} and sets no access cookie"
    return f"the function answers {reply.status}"
