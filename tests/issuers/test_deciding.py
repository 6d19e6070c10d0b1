"""One decision for all requests with the same token, and what a function that fails does."""

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any, cast

import pytest
from core.builders import verifier

from app.auth.functions import AuthFunctions, FunctionCall
from app.auth.issuers import Issuer, KeySet, TokenDecisions
from app.auth.replies import Reply
from app.core.session.revocations import Revocations
from app.core.tokens.admissions import Admissions, Minting
from app.core.tokens.issued import IssuerRules, subject_digest
from app.core.tokens.jwk import hmac_key
from app.core.tokens.mint import mint
from app.core.tokens.role_claim import read_role_claim
from app.errors import AdmissionDenied, DatabaseBusy, DatabaseUnavailable, GatewayError, TokenRejected
from app.events import AdmissionUnusable, Event

from .provider import new_key

pytestmark = pytest.mark.anyio

ISSUER = "https://id.test"
KEY = new_key("ES256", "k1")
RING = hmac_key(b"the key of the ring, 32 bytes at least")


class Desk:
    """Decides in the place of the database, when the test says so."""

    def __init__(self) -> None:
        self.calls: list[FunctionCall] = []
        self.reply = Reply(200, [], b'{"role":"web"}')
        self.during: Callable[[], None] = lambda: None
        self.events: list[Event] = []
        self.verifier = verifier()
        self.cache = Admissions([ISSUER], Minting(RING, read_role_claim("role"), "anon"), Revocations())

        async def fetch() -> Any:
            return (KEY,)

        keys = KeySet(ISSUER, fetch, time.monotonic, self.events.append)
        issuers = {ISSUER: Issuer(IssuerRules(ISSUER, ("api",), ("ES256",)), keys)}
        self.decisions = TokenDecisions(
            issuers,
            cast("AuthFunctions", self),
            self.cache,
            lambda: self.verifier,
            self.events.append,
        )

    async def call(self, call: FunctionCall) -> Reply:
        self.calls.append(call)
        await asyncio.sleep(0)
        self.during()
        return self.reply

    def find(self, token: bytes) -> Any:
        return self.cache.find(token, self.verifier, time.time())


def token(**claims: Any) -> bytes:
    return mint({"iss": ISSUER, "aud": "api", "sub": "u-1", "exp": int(time.time()) + 60, **claims}, KEY)


async def test_requests_with_one_token_share_one_call() -> None:
    desk, theirs = Desk(), token(groups=["a"])
    await asyncio.gather(*(desk.decisions.decide(theirs) for _ in range(9)))
    (call,) = desk.calls
    assert (call.name, json.loads(call.body)["claims"]["groups"], call.role) == ("admit", ["a"], "")
    assert desk.find(theirs).role == "web"


async def test_a_client_that_leaves_does_not_take_the_decision_with_it() -> None:
    desk, theirs = Desk(), token()
    first = asyncio.create_task(desk.decisions.decide(theirs))
    await asyncio.sleep(0)
    second = asyncio.create_task(desk.decisions.decide(theirs))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert len(desk.calls) == 1
    assert desk.find(theirs) is not None


@pytest.mark.parametrize(
    "change", [{"aud": "other"}, {"exp": 1}, {"iss": "https://x"}, {"sub": ""}, {"nbf": 4_000_000_000}]
)
async def test_sql_is_not_asked_about_a_token_that_does_not_verify(change: dict[str, Any]) -> None:
    desk = Desk()
    with pytest.raises(TokenRejected):
        await desk.decisions.decide(token(**change))
    assert desk.calls == []


async def test_a_revocation_during_the_call_asks_again() -> None:
    desk, theirs = Desk(), token()
    subject = subject_digest(ISSUER, "u-1")

    def revoke_once() -> None:
        desk.cache.revoke(subject, time.time())
        desk.reply, desk.during = Reply(200, [], b"null"), lambda: None

    desk.during = revoke_once
    await desk.decisions.decide(theirs)
    assert len(desk.calls) == 2
    with pytest.raises(AdmissionDenied):
        desk.find(theirs)

    desk.during = lambda: desk.cache.revoke(subject, time.time())
    with pytest.raises(DatabaseBusy):
        await desk.decisions.decide(token(n=1))


@pytest.mark.parametrize(
    ("reply", "error", "told"),
    [
        (Reply(404, [], b'{"code":"PGRST202"}'), AdmissionDenied, "there is no such function"),
        (Reply(400, [], b"{}", "22P02"), AdmissionDenied, "it fails with 22P02"),
        (Reply(400, [], b'{"code":"P0001"}'), AdmissionDenied, "it responds with 400"),
        (Reply(200, [], b"7"), AdmissionDenied, "it returns no object"),
        (Reply(503, [], b"{}", "53300"), DatabaseUnavailable, ""),
        (Reply(500, [], b"{}", "40001"), DatabaseUnavailable, ""),
    ],
)
async def test_a_function_that_fails_admits_nothing_and_is_asked_again(
    reply: Reply, error: type[GatewayError], told: str
) -> None:
    desk, theirs = Desk(), token()
    desk.reply = reply
    for _ in range(2):
        with pytest.raises(error):
            await desk.decisions.decide(theirs)
    assert len(desk.calls) == 2
    assert desk.find(theirs) is None
    warnings = [event.reason for event in desk.events if isinstance(event, AdmissionUnusable)]
    assert [reason.startswith(told) for reason in warnings] == ([True] if told else [])
