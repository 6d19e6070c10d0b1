"""Adopt the tokens of other login functions: SQL opens a session with their claims, and renews it later.

`auth.adopt(claims)` of Postgate's SQL does it, as the gateway's own login and if the owner has granted it. So
no client can call it. Without it, a token stays what it is: good until it expires.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from app.auth.calls import FunctionCall
from app.auth.documents import compact
from app.auth.functions import AuthFunctions
from app.auth.replies import code_of
from app.core.tokens.verify import VerifiedToken
from app.errors import TokenUnusable

_ADOPT: Final = "adopt"
_SUCCESS: Final = range(200, 300)
_ABSENT: Final = frozenset({"PGRST202", "42501", "42883", "3F000"})
_ABSENT_SECONDS: Final = 60.0  # until a missing function is called again
_KEPT: Final = frozenset({b"cookie", b"user-agent", b"x-forwarded-proto", b"x-forwarded-for"})


class Adoption:
    """Opens sessions in SQL for verified tokens. `now` is a monotonic clock in seconds."""

    def __init__(self, functions: AuthFunctions, now: Callable[[], float]) -> None:
        """`functions` are those of the auth schema, called as the gateway's login."""
        self._functions = functions
        self._now = now
        self._absent_until = float("-inf")

    async def adopt(self, call: FunctionCall, verified: VerifiedToken) -> list[bytes] | None:
        """The Set-Cookie values of the new session; None if SQL adopts no tokens here.

        Raises TokenUnusable if it rejects this one, and the errors of `AuthFunctions.call`.
        """
        if self._now() < self._absent_until:
            return None
        # The role as the gateway found it, at whichever path the settings name
        claims = {**verified.claims, "role": verified.role}
        reply = await self._functions.call(
            replace(
                call,
                name=_ADOPT,
                path=f"/rpc/{_ADOPT}",
                schema="",
                query=b"",
                headers=[header for header in call.headers if header[0] in _KEPT],
                body=compact({"claims": claims}).encode(),
            )
        )
        if reply.status in _SUCCESS:
            return [value for name, value in reply.headers if name.lower() == b"set-cookie"]
        code = code_of(reply)
        if code in _ABSENT:
            self._absent_until = self._now() + _ABSENT_SECONDS
            return None
        raise TokenUnusable(reason=f"{call.name}: adopt() refuses it with {code}")
