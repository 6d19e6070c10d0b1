"""Decide about tokens of other issuers: verify each against its issuer's keys, then ask `auth.admit`.

One flight for all requests with the same token. `auth.admit(claims)` is called like an auth function, as the
anonymous role. `Admissions` keeps its result, and the request is then decided again.
"""

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from app.auth.documents import parse
from app.auth.functions import AuthFunctions, FunctionCall, Reply
from app.auth.issuers.key_sets import KeySet
from app.core.tokens.admissions import Admissions
from app.core.tokens.issued import IssuedToken, IssuerRules, key_id_of, unverified_issuer, verify_issued
from app.core.tokens.verify import TokenVerifier
from app.errors import AdmissionDenied, DatabaseBusy, DatabaseUnavailable, TokenRejected
from app.events import AdmissionUnusable, Observer

FUNCTION: Final = "admit"
_WARNING_SECONDS: Final = 60.0
_ATTEMPTS: Final = 3  # a revocation during a call makes its result outdated
_AT_ONCE: Final = 2  # calls: sign-ins share the connections, and must not wait for a flood of new tokens
_OK: Final = 200
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
_TRANSIENT: Final = frozenset({"08", "40", "53", "55", "57", "58", "XX"})  # classes of SQLSTATE


@dataclass(frozen=True, slots=True)
class Issuer:
    """One configured issuer, and its keys."""

    rules: IssuerRules
    keys: KeySet


class TokenDecisions:
    """The decisions in flight of one process."""

    def __init__(
        self,
        issuers: Mapping[str, Issuer],
        functions: AuthFunctions,
        admissions: Admissions,
        verifier: Callable[[], TokenVerifier],
        observe: Observer,
    ) -> None:
        """`verifier` returns that of the current settings."""
        self._issuers = issuers
        self._functions = functions
        self._admissions = admissions
        self._verifier = verifier
        self._observe = observe
        self._flights: dict[bytes, asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._warned_until = float("-inf")

    async def decide(self, token: bytes) -> None:
        """Have the token decided, with all requests that wait for the same.

        Raises TokenRejected, AdmissionDenied, IssuerUnavailable, and the errors of `AuthFunctions.call`.
        """
        digest = sha256(token).digest()
        flight = self._flights.get(digest)
        if flight is None:
            flight = self._flights[digest] = asyncio.create_task(self._decide(token))
            flight.add_done_callback(lambda _: self._flights.pop(digest, None))
        await asyncio.shield(flight)

    async def _decide(self, token: bytes) -> None:
        issuer = self._issuers.get(unverified_issuer(token))
        if issuer is None:
            raise TokenRejected(reason="issuer")
        keys = await issuer.keys.keys_for(key_id_of(token))
        for _ in range(_ATTEMPTS):
            leeway = self._admissions.leeway_seconds
            issued = verify_issued(token, keys, issuer.rules, time.time(), leeway)
            revision = self._admissions.revision
            async with self._slots:
                result = await self._admit(issued)
            if self._admissions.keep(token, issued, result, self._verifier(), time.time(), revision):
                return
        raise DatabaseBusy(reason="revocations came during each call of auth.admit")

    async def _admit(self, issued: IssuedToken) -> Mapping[str, Any] | None:
        """The result of the function: role and claims, or None to deny."""
        reply = await self._functions.call(
            FunctionCall(
                name=FUNCTION,
                path=f"/rpc/{FUNCTION}",
                query=b"",
                headers=[(b"content-type", b"application/json"), (b"accept", b"application/json")],
                body=json.dumps({"claims": issued.claims}, ensure_ascii=False).encode(),
            )
        )
        if reply.status != _OK:
            raise self._failed(reply)
        result = parse(reply.body.decode())
        if result is None or isinstance(result, dict):
            return result
        self._warn("it returns no object")
        raise AdmissionDenied(reason="auth.admit returned no object")

    def _failed(self, reply: Reply) -> AdmissionDenied | DatabaseUnavailable:
        """The error for a function that fails; not cached, as the next call may succeed."""
        state = reply.sqlstate or ""
        if reply.status == _UNAVAILABLE or state[:2] in _TRANSIENT:
            return DatabaseUnavailable(reason=f"auth.admit failed with {state or reply.status}")
        reason = f"it fails with {state}" if state else f"it responds with {reply.status}"
        if reply.status == _NOT_FOUND:
            reason = "there is no such function with the argument claims"
        self._warn(reason)
        return AdmissionDenied(reason=f"auth.admit: {reason}")

    def _warn(self, reason: str) -> None:
        """Emit a warning, at most once a minute: no token of an issuer is admitted."""
        now = time.monotonic()
        if now >= self._warned_until:
            self._warned_until = now + _WARNING_SECONDS
            self._observe(AdmissionUnusable(FUNCTION, reason))
