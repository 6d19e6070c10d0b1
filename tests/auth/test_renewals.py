"""Renewals in one process: one call for a token however many ask, and none for one that is dead."""

import asyncio
from collections.abc import Callable

import pytest
from core.builders import NAMES, request

from app.auth.arguments import EMPTY_OBJECT, Arguments, Kind, read_arguments
from app.auth.functions import FunctionCall, Reply
from app.auth.limits.budgets import read_windows
from app.auth.limits.counters import Counters
from app.auth.limits.guard import RenewalAttempts
from app.auth.limits.keys import Digests
from app.auth.negotiation import Media, negotiate, wants_count
from app.auth.renewal import Renewals
from app.core.http.forwarding import Client
from app.core.requests import Admitted, Options, Renewed
from app.errors import DatabaseUnavailable, RateLimited
from app.events import Event, Observer, RefreshUnusable

pytestmark = pytest.mark.anyio

ACCESS = b"access_token=new; Path=/"
REFRESH = b"refresh_token=next; Path=/"
RENEWED = Reply(204, [(b"Set-Cookie", ACCESS), (b"set-cookie", REFRESH)], b"")
REFUSED = Reply(401, [], b"{}")


class Functions:
    """Stands for the database: notes each call, and answers when it is told to."""

    def __init__(self, *replies: Reply) -> None:
        self.calls: list[FunctionCall] = []
        self.may_answer = asyncio.Event()
        self._replies = list(replies)

    async def call(self, call: FunctionCall) -> Reply:
        self.calls.append(call)
        await self.may_answer.wait()
        return self._replies.pop(0)


def renewals(
    functions: Functions,
    now: Callable[[], float] = lambda: 0.0,
    *,
    most: int = 1000,
    observe: Observer | None = None,
) -> Renewals:
    tries = RenewalAttempts(Counters(), Digests(b"a key"), read_windows(f"{most}/minute"))
    return Renewals(functions.call, "refresh_token", "", NAMES, tries, now, observe or (lambda _: None))


async def renew(
    by: Renewals, token: bytes = b"r-1", *fields: str, address: str = "192.0.2.1"
) -> Renewed | None:
    head = request("GET /rest/items", "Cookie: a=b", *fields)
    client = Client(address, "https", b"gw.test", b"")
    return await by.renew(head, Admitted(Options([]), client, None, refresh=token))


async def test_fifty_at_once_are_one_call() -> None:
    functions = Functions(RENEWED)
    by = renewals(functions)
    waiting = [asyncio.create_task(renew(by)) for _ in range(50)]
    await asyncio.sleep(0)
    functions.may_answer.set()
    assert await asyncio.gather(*waiting) == [Renewed(b"new", (ACCESS, REFRESH))] * 50
    assert len(functions.calls) == 1


async def test_a_client_that_leaves_does_not_take_the_renewal_with_it() -> None:
    functions = Functions(RENEWED)
    by = renewals(functions)
    first, second = (asyncio.create_task(renew(by)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.sleep(0)
    functions.may_answer.set()
    assert await second == Renewed(b"new", (ACCESS, REFRESH))
    assert first.cancelled()
    assert len(functions.calls) == 1


async def test_different_tokens_are_different_calls() -> None:
    functions = Functions(RENEWED, RENEWED)
    functions.may_answer.set()
    by = renewals(functions)
    await asyncio.gather(renew(by, b"r-1"), renew(by, b"r-2"))
    assert {call.header(b"cookie") for call in functions.calls} == {
        b"refresh_token=r-1",
        b"refresh_token=r-2",
    }


async def test_the_function_sees_the_request_but_of_its_cookies_the_one_that_counts() -> None:
    functions = Functions(RENEWED)
    functions.may_answer.set()
    await renew(renewals(functions), b"r-1", "User-Agent: a browser", "Cookie: refresh_token=other")
    (call,) = functions.calls
    assert (call.name, call.path, call.body) == ("refresh_token", "/rpc/refresh_token", b"")
    assert call.header(b"user-agent") == b"a browser"
    assert call.address == "192.0.2.1"
    assert list(call.header_lines(b"cookie")) == [b"refresh_token=r-1"]


@pytest.mark.parametrize(
    "field",
    [
        *(
            f"Content-Type: {media}"
            for media in (
                "text/csv", "text/plain", "text/xml", "image/png", "multipart/form-data; boundary=x",
                "application/octet-stream", "application/x-www-form-urlencoded",
                "application/vnd.pgrst.object+json",
            )
        ),
        *(
            f"Accept: {media}"
            for media in (
                "application/geo+json", "text/html", "application/vnd.pgrst.plan+json", "image/png",
                "text/event-stream", "application/openapi+json", "application/vnd.pgrst.object+json",
            )
        ),
        "Prefer: count=exact",
    ],
)  # fmt: skip
async def test_what_the_request_says_of_its_body_and_its_answer_is_not_said_of_the_call(field: str) -> None:
    functions = Functions(RENEWED)
    functions.may_answer.set()
    assert await renew(renewals(functions), b"r-1", field, "Content-Length: 7") is not None
    (call,) = functions.calls
    assert read_arguments(call) == Arguments(Kind.JSON, frozenset(), EMPTY_OBJECT)
    assert (negotiate(call), wants_count(call)) == (Media.JSON, False)
    assert call.header(b"content-length") is None


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_a_function_has_its_own_way_to_say_no(status: int) -> None:
    functions = Functions(Reply(status, [], b"{}"))
    functions.may_answer.set()
    assert await renew(renewals(functions)) is None


async def test_a_dead_token_is_asked_about_once_in_a_while() -> None:
    functions = Functions(REFUSED, REFUSED)
    functions.may_answer.set()
    now = 0.0
    by = renewals(functions, lambda: now)
    for now, calls in ((0.0, 1), (59.9, 1), (60.1, 2)):  # noqa: B007  read by the clock
        assert await renew(by) is None
        assert len(functions.calls) == calls


async def test_of_dead_tokens_little_is_kept_and_not_for_longer_than_that() -> None:
    functions = Functions(*[REFUSED] * 4)
    functions.may_answer.set()
    now = 0.0
    by = renewals(functions, lambda: now)
    for number in range(3):
        assert await renew(by, b"%060000d" % number) is None
    assert [len(kept) for kept in by._rejected] == [32] * 3
    now = 60.0
    assert await renew(by, b"another") is None
    assert len(by._rejected) == 1


@pytest.mark.parametrize(
    ("status", "sqlstate"),
    [(503, None), (503, "53300"), (503, "08006"), (500, "57014"), (500, "40P01"), (500, "55P03"),
     (500, "XX000"), (500, "58030")],
)  # fmt: skip
async def test_a_database_that_fails_is_no_verdict_on_the_session(status: int, sqlstate: str | None) -> None:
    functions = Functions(Reply(status, [], b"{}", sqlstate), RENEWED)
    functions.may_answer.set()
    by = renewals(functions)
    with pytest.raises(DatabaseUnavailable):
        await renew(by)
    assert await renew(by) is not None


async def test_too_often_is_no_verdict_on_the_session_and_no_outage() -> None:
    functions = Functions(*[Reply(429, [], b"{}")] * 2, RENEWED)
    functions.may_answer.set()
    by = renewals(functions, most=1)  # nor is it counted as a try that led to nothing
    for _ in range(2):
        with pytest.raises(RateLimited) as limited:
            await renew(by)
        assert limited.value.headers == [(b"Retry-After", b"10")]
    assert await renew(by) is not None


JSON = [(b"Content-Type", b"application/json; charset=utf-8")]
MISSING = Reply(404, JSON, b'{"code":"PGRST202","message":"Could not find the function"}')
UNUSABLE = {
    "missing": (MISSING, "there is no such function with these arguments"),
    "no cookies": (
        Reply(204, [], b""),
        "the function responds with 204 and neither sets nor returns a token",
    ),
    "no access cookie": (
        Reply(204, [(b"Set-Cookie", REFRESH)], b""),
        "the function responds with 204 and neither sets nor returns a token",
    ),
    "one that is deleted": (
        Reply(204, [(b"Set-Cookie", b"access_token=; Path=/; Max-Age=0")], b""),
        "the function responds with 204 and neither sets nor returns a token",
    ),
    "a token in the body": (
        Reply(200, JSON, b'{"token":"a.b.c"}'),
        "the function responds with 200 and neither sets nor returns a token",
    ),
    "several overloads": (Reply(300, JSON, b'{"code":"PGRST203"}'), "the function responds with 300"),
    "a failure with cookies": (
        Reply(500, [(b"Set-Cookie", ACCESS)], b"{}"),
        "the function responds with 500",
    ),
    "it raises 404": (Reply(404, JSON, b'{"code":"PT404"}'), "the function responds with 404"),
    "it raises 500": (Reply(500, JSON, b'{"code":"P0002"}'), "the function responds with 500"),
    "no right to execute": (Reply(401, JSON, b"{}", "42501"), "the function fails with 42501"),
    "a column is missing": (Reply(400, JSON, b"{}", "42703"), "the function fails with 42703"),
}


class TestAFunctionThatCannotRenew:
    """Its refresh cookies are worth what bad tokens are, and the log says once why."""

    @pytest.mark.parametrize(("reply", "reason"), UNUSABLE.values(), ids=list(UNUSABLE))
    async def test_the_session_is_over_and_the_operator_is_warned(self, reply: Reply, reason: str) -> None:
        functions, events = Functions(reply), list[Event]()
        functions.may_answer.set()
        assert await renew(renewals(functions, observe=events.append)) is None
        assert events == [RefreshUnusable("refresh_token", reason)]

    @pytest.mark.parametrize(
        "reply", [REFUSED, Reply(400, JSON, b"{}", "22P02"), Reply(200, JSON, b'{"error":"Invalid token"}')]
    )
    async def test_a_refused_token_is_no_fault_of_the_function(self, reply: Reply) -> None:
        functions, events = Functions(reply), list[Event]()
        functions.may_answer.set()
        assert await renew(renewals(functions, observe=events.append)) is None
        assert events == []

    async def test_one_token_is_asked_about_once_a_minute(self) -> None:
        functions = Functions(*[Reply(204, [], b"")] * 2)
        functions.may_answer.set()
        now, events = 0.0, list[Event]()
        by = renewals(functions, lambda: now, observe=events.append)
        for _ in range(50):
            assert await renew(by) is None
        assert (len(functions.calls), len(events)) == (1, 1)
        now = 61.0
        assert await renew(by) is None
        assert (len(functions.calls), len(events)) == (2, 2)

    async def test_many_tokens_cause_one_warning_a_minute(self) -> None:
        functions, events = Functions(*[Reply(204, [], b"")] * 50), list[Event]()
        functions.may_answer.set()
        by = renewals(functions, observe=events.append)
        assert [await renew(by, b"r-%d" % number) for number in range(50)] == [None] * 50
        assert len(events) == 1

    async def test_a_missing_function_is_looked_for_once_in_a_while_whatever_the_token(self) -> None:
        functions = Functions(MISSING, RENEWED)
        functions.may_answer.set()
        now = 0.0
        by = renewals(functions, lambda: now, most=1)
        assert [await renew(by, b"r-%d" % number) for number in range(500)] == [None] * 500
        assert len(functions.calls) == 1
        now = 10.0
        assert await renew(by, b"r-9", address="192.0.2.2") is not None

    async def test_one_bad_token_does_not_keep_others_from_being_renewed(self) -> None:
        functions = Functions(Reply(204, [], b""), Reply(404, JSON, b'{"code":"PT404"}'), RENEWED)
        functions.may_answer.set()
        by = renewals(functions)
        assert [await renew(by, token) for token in (b"x", b"y")] == [None, None]
        assert await renew(by, b"r-1") is not None


class TestAnAbandonedSession:
    """A session that gave way to another one: its cookies must not come after the new ones."""

    async def test_what_is_under_way_comes_to_nothing(self) -> None:
        functions = Functions(RENEWED)
        by = renewals(functions)
        waiting = [asyncio.create_task(renew(by)) for _ in range(5)]
        await asyncio.sleep(0)
        by.abandon(b"r-1")
        functions.may_answer.set()
        assert await asyncio.gather(*waiting) == [None] * 5

    async def test_its_token_is_not_asked_about_and_others_are(self) -> None:
        functions = Functions(RENEWED)
        functions.may_answer.set()
        by = renewals(functions)
        by.abandon(b"r-1")
        assert await renew(by) is None
        assert await renew(by, b"r-2") is not None


class TestTooManyThatLeadToNothing:
    """From one address: it is told to wait, and nobody behind it is signed out."""

    async def test_more_are_not_tried_and_other_addresses_are(self) -> None:
        functions = Functions(REFUSED, REFUSED, RENEWED)
        functions.may_answer.set()
        by = renewals(functions, most=2)
        assert [await renew(by, b"x-%d" % number) for number in range(2)] == [None, None]
        with pytest.raises(RateLimited):
            await renew(by, b"r-1")
        assert await renew(by, b"r-1", address="192.0.2.2") is not None

    async def test_those_that_renew_a_session_do_not_count(self) -> None:
        functions = Functions(*[RENEWED] * 5)
        functions.may_answer.set()
        by = renewals(functions, most=1)
        assert all([await renew(by, b"r-%d" % number) for number in range(5)])

    async def test_nor_do_those_that_the_database_could_not_answer(self) -> None:
        functions = Functions(*[Reply(503, [], b"{}")] * 3, RENEWED)
        functions.may_answer.set()
        by = renewals(functions, most=1)
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await renew(by)
        assert await renew(by) is not None


async def test_the_function_does_not_see_what_the_client_claims_of_its_way() -> None:
    functions = Functions(RENEWED)
    functions.may_answer.set()
    claims = ["X-Forwarded-For: 192.0.2.66", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example"]
    await renew(renewals(functions), b"r-1", *claims, "User-Agent: x")

    seen = dict(functions.calls[0].headers)
    facts = {b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host"}
    assert seen.keys() - facts == {b"host", b"user-agent", b"cookie"}
    assert not {b"192.0.2.66", b"evil.example"} & set(seen.values())
