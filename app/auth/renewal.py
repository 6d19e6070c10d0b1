"""Renew a session inside a request: one call of the refresh function for all requests with the same token.

It calls the function of `POST /rpc/refresh_token`, so both renew alike. A rejected token is cached for a
minute, without another call: it never becomes valid again. If no function can renew a session, a refresh
cookie is treated like an invalid token: 401, and one warning a minute in the log.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

from app.auth.calls import FunctionCall
from app.auth.limits.guard import RenewalAttempts
from app.auth.refresh_calls import with_refresh_token
from app.auth.replies import Reply, is_missing
from app.auth.sign_ins import reports_error
from app.catalogue import plain_name
from app.core.http.forwarding import Client, sql_headers
from app.core.requests import Admitted, Renewed, Request
from app.core.session.cookie_names import CookieNames
from app.core.session.cookies import deletes, name_of, value_of
from app.errors import DatabaseUnavailable, RateLimited
from app.events import Observer, RefreshUnusable

# These describe the body and the response of the client's request; the call of the function has others
_REQUEST_FIELDS: Final = frozenset(
    {b"accept", b"content-length", b"content-type", b"cookie", b"prefer", b"transfer-encoding"}
)
_REJECTED_SECONDS: Final = 60.0
_REJECTED_TOKENS: Final = 10_000
_PAUSE_SECONDS: Final = 10
_MISSING_SECONDS: Final = 10.0  # until a missing function is called again
_WARNING_SECONDS: Final = 60.0  # between two warnings
_TOO_MANY_REQUESTS: Final = 429
_UNAVAILABLE: Final = 503
_SUCCESS: Final = range(200, 300)
_REJECTIONS: Final = frozenset({400, 401, 403})  # 400: a RAISE without an SQLSTATE
# Classes of SQLSTATE of the server's errors
_TRANSIENT: Final = frozenset({"08", "40", "53", "55", "57", "58", "XX"})
_PERMANENT: Final = frozenset({"42", "3F"})


class Renewals:
    """The renewals of one process."""

    def __init__(  # noqa: PLR0917
        self,
        call: Callable[[FunctionCall], Awaitable[Reply]],
        function: str,
        argument: str,
        names: CookieNames,
        attempts: RenewalAttempts,
        now: Callable[[], float],
        observe: Observer,
    ) -> None:
        """`function` may have a schema. `argument` gets the refresh token; empty: the function takes none.

        `now` is a monotonic clock in seconds.
        """
        self._call_function = call
        self._function = plain_name(function)
        self._schema = function.rpartition(".")[0]
        self.argument = argument
        self._names = names
        self._attempts = attempts
        self._now = now
        self._observe = observe
        self._flights: dict[bytes, asyncio.Task[Renewed | None]] = {}
        self._rejected: OrderedDict[bytes, float] = OrderedDict()  # by digest: tokens may be long
        self._missing_until = self._warned_until = float("-inf")

    async def renew(self, request: Request, admitted: Admitted) -> Renewed | None:
        """The session's new token and cookies; None if it is over, or no function can renew it.

        A client that disconnects does not cancel the renewal, since other requests may wait for it.
        Raises RateLimited, and the errors of `AuthFunctions.call`.
        """
        token = admitted.refresh
        if token is None or self._is_rejected(token) or self._now() < self._missing_until:
            return None
        flight = self._flights.get(token)
        if flight is None:
            client = admitted.client
            if not self._attempts.begin(client.address):
                # Not None: attempts by others behind the same address must not sign this client out
                raise RateLimited(seconds=_PAUSE_SECONDS, reason="renewal: address")
            flight = self._flights[token] = asyncio.create_task(self._renew(token, request, client))
            flight.add_done_callback(lambda _: self._flights.pop(token, None))
        renewed = await asyncio.shield(flight)
        # Abandoned meanwhile: these cookies would replace those of a newer session
        return None if renewed is None or self._is_rejected(token) else renewed

    def abandon(self, token: bytes) -> None:
        """Reject this refresh token from now on, also in a renewal in flight: its session is over."""
        digest = sha256(token).digest()
        self._rejected[digest] = self._now() + _REJECTED_SECONDS
        self._rejected.move_to_end(digest)
        if len(self._rejected) > _REJECTED_TOKENS:
            self._rejected.popitem(last=False)

    async def _renew(self, token: bytes, request: Request, client: Client) -> Renewed | None:
        is_rejected = False
        try:
            reply = await self._call(token, request, client)
            renewed = self._read(reply)
            if reply.status == _TOO_MANY_REQUESTS:
                raise RateLimited(seconds=_PAUSE_SECONDS, reason="renewal: the function")
            if _is_transient(reply):
                raise DatabaseUnavailable(reason=f"renewal: the function responds with {reply.status}")
            is_rejected = renewed is None
            if is_rejected:
                self.abandon(token)
                self._warn(reply)
            return renewed
        finally:
            if not is_rejected:
                self._attempts.succeed(client.address)

    def _warn(self, reply: Reply) -> None:
        """Emit a warning, at most once a minute, if the function is wrong and not the token."""
        reason = _fault(reply)
        if reason is None:
            return
        now = self._now()
        if is_missing(reply):
            self._missing_until = now + _MISSING_SECONDS
        if now >= self._warned_until:
            self._warned_until = now + _WARNING_SECONDS
            self._observe(RefreshUnusable(self._function, reason))

    async def _call(self, token: bytes, request: Request, client: Client) -> Reply:
        cookie = b"%b=%b" % (self._names.refresh, token)
        facts = sql_headers(request.headers, client)
        others = [header for header in facts if header[0] not in _REQUEST_FIELDS]
        call = FunctionCall(
            name=self._function,
            path=f"/rpc/{self._function}",
            query=b"",
            headers=[*others, (b"cookie", cookie)],
            body=b"",
            address=client.address,
            schema=self._schema,
        )
        return await self._call_function(with_refresh_token(call, self.argument, token))

    def _read(self, reply: Reply) -> Renewed | None:
        cookies = tuple(value for name, value in reply.headers if name.lower() == b"set-cookie")
        access = [value for value in cookies if name_of(value) == self._names.access and not deletes(value)]
        if reply.status not in _SUCCESS or not access:
            return None
        return Renewed(value_of(access[-1]), cookies)

    def _is_rejected(self, token: bytes) -> bool:
        now = self._now()
        while self._rejected and next(iter(self._rejected.values())) <= now:
            self._rejected.popitem(last=False)
        return sha256(token).digest() in self._rejected


def _is_transient(reply: Reply) -> bool:
    """Whether the database failed, and a later call may succeed."""
    return reply.status == _UNAVAILABLE or (reply.sqlstate or "")[:2] in _TRANSIENT


def _fault(reply: Reply) -> str | None:
    """Why this reply is not that of a refresh function; None if it rejects the token."""
    if is_missing(reply):
        return "there is no such function with these arguments"
    if (reply.sqlstate or "")[:2] in _PERMANENT:
        return f"the function fails with {reply.sqlstate}"
    if reply.status in _REJECTIONS or (reply.status in _SUCCESS and reports_error(reply)):
        return None
    if reply.status in _SUCCESS:
        return f"the function responds with {reply.status} and neither sets nor returns a token"
    return f"the function responds with {reply.status}"
