"""Auth functions behind their limits: what counts, what clears, and what is refused without being called."""

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest
from core.builders import NAMES
from typing_extensions import override

from app.auth.functions import FunctionCall, Reply
from app.auth.limits.budgets import Budgets, read_windows
from app.auth.limits.checks import PasswordChecks
from app.auth.limits.counters import Counters, MemoryStorage
from app.auth.limits.guard import GuardedFunctions, LimitPolicy, RenewalAttempts
from app.auth.limits.keys import Digests
from app.auth.limits.records import FailureRecords
from app.catalogue import SHIPPED, Scope
from app.errors import DatabaseBusy, GatewayError, RateLimited, render
from app.events import Event, LimitReached

from .test_limit_checks import stays
from .test_limit_counters import Clock

pytestmark = pytest.mark.anyio

WINDOWS: dict[tuple[str, Scope], str] = {
    ("login", "address"): "30/minute,300/hour",
    ("login", "account"): "20/minute,100/hour",
    ("login", "pair"): "5/minute,20/hour,50/day",
    ("change", "address"): "10/minute,100/hour",
    ("change", "session"): "5/minute,20/hour",
    ("change", "account"): "8/minute,40/hour",
    ("call", "address"): "40/minute",
}
POLICY = LimitPolicy(
    functions=SHIPPED.listed(
        (*SHIPPED.public, "enter_pin"), SHIPPED.account, refresh="refresh_token", check_secrets=None
    ),
    account_argument="user_",
    session_cookies=NAMES,
    windows={budget: read_windows(windows) for budget, windows in WINDOWS.items()},
)
WRONG = "wrong"
HERE = "192.0.2.1"
ELSEWHERE = "192.0.2.2"


class Records(FailureRecords):
    """Keeps what is to be written."""

    def __init__(self) -> None:
        self.kept: list[tuple[str, str, str, str]] = []

    @override
    def add(self, kind: str, *, username: str, address: str, user_agent: str) -> None:
        self.kept.append((kind, username, address, user_agent))


class Door:
    """A guarded gateway whose one right password is `right`, with everything that can be seen of it."""

    def __init__(self, counters: Counters | None = None) -> None:
        self.clock = Clock()
        self.records = Records()
        self.events: list[Event] = []
        self.called: list[FunctionCall] = []
        self.at_once = self.most_at_once = 0
        self.guard = GuardedFunctions(
            self._call,
            policy=POLICY,
            digest=Digests(b"secret"),
            budgets=Budgets(MemoryStorage(counters or Counters(clock=self.clock))),
            checks=PasswordChecks(at_once=2, most_queued=1_000, seconds=10),
            records=self.records,
            observe=self.events.append,
        )

    async def _call(self, call: FunctionCall) -> Reply:
        self.called.append(call)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        if b"outage" in call.body:
            raise DatabaseBusy
        if b"wrong" in call.body:
            return Reply(401, [], b"")
        if b"typo" in call.body:
            return Reply(404, [], b"")
        is_login = b'"right"' in call.body and call.name == "login"
        return Reply(204, [(b"Set-Cookie", b"access_token=x")] if is_login else [], b"")

    async def ask(self, call: FunctionCall) -> int:
        """The status of the answer."""
        try:
            return (await self.guard.call(call, stays)).status
        except GatewayError as error:
            return error.status

    async def login(self, name: str = "demo", password: str = WRONG, address: str = HERE) -> int:
        return await self.ask(login(name, password, address))


def login(name: str, password: str, address: str = HERE, function: str = "login") -> FunctionCall:
    body = json.dumps({"user_": name, "pass": password}).encode()
    headers = [(b"content-type", b"application/json"), (b"user-agent", b"curl/8")]
    return FunctionCall(function, f"/rpc/{function}", b"", headers, body, address)


def change(
    password: str,
    cookie: str = "refresh_token=a",
    address: str = HERE,
    session: str = "",
    subject: str = "",
) -> FunctionCall:
    body = json.dumps({"old": password, "new": "x", "user_": "demo"}).encode()
    headers = [(b"cookie", cookie.encode())]
    path = "/rpc/change_password"
    return FunctionCall("change_password", path, b"", headers, body, address, session, subject)


@pytest.fixture
def door() -> Door:
    return Door()


async def test_the_right_password_is_refused_during_a_lock_and_let_in_after(door: Door) -> None:
    """F29: and nothing tells the two apart."""
    for _ in range(5):
        assert await door.login() == 401
    for password in ("wrong", "right", "wrong", "right"):
        with pytest.raises(RateLimited) as refused:
            await door.guard.call(login("demo", password), stays)
        status, headers, body = render(refused.value, b"id")
        assert (status, dict(headers)[b"Retry-After"]) == (429, b"61")
        assert list(json.loads(body)) == ["code", "message", "details", "hint"]
        assert "demo" not in refused.value.reason
    assert len(door.called) == 5
    door.clock.now += 61
    assert await door.login(password="right") == 204


async def test_a_right_password_clears_the_pair_and_the_account_but_not_the_address(door: Door) -> None:
    for _ in range(6):
        for _ in range(4):
            assert await door.login() == 401
        assert await door.login(password="right") == 204
    assert await door.login(password="right") == 429
    assert door.events == [LimitReached("login", "address")]
    assert await door.login(password="right", address=ELSEWHERE) == 204


async def test_hammering_on_one_account_does_not_lock_the_address_for_others(door: Door) -> None:
    for _ in range(1_000):
        await door.login()
    assert [await door.login(f"colleague{n}") for n in range(20)] == [401] * 20


async def test_what_an_attacked_account_refuses_is_not_counted_for_the_address(door: Door) -> None:
    for number in range(20):
        assert await door.login(address=f"198.51.100.{number}") == 401
    assert {await door.login(password="right") for _ in range(100)} == {429}
    assert await door.login("colleague", "right") == 204
    door.clock.now += 61
    assert await door.login(password="right") == 204


async def test_success_with_one_account_does_not_clear_another(door: Door) -> None:
    for _ in range(5):
        assert await door.login("victim") == 401
        assert await door.login("attacker", "right") == 204
    assert await door.login("victim") == 429


async def test_a_thousand_at_once_are_counted_before_any_is_called(door: Door) -> None:
    statuses = await asyncio.gather(*(door.login() for _ in range(1_000)))
    assert (statuses.count(401), statuses.count(429)) == (5, 995)
    assert len(door.called) == 5


async def test_passwords_are_checked_a_few_at_a_time_and_other_calls_pass_by(door: Door) -> None:
    """F33."""
    logins = [door.login(f"user{n}", address=f"192.0.2.{n}") for n in range(32)]
    assert set(await asyncio.gather(*logins)) == {401}
    assert door.most_at_once == 2
    door.most_at_once = 0
    calls = [FunctionCall("logout", "/rpc/logout", b"", [], b"", HERE) for _ in range(32)]
    assert set(await asyncio.gather(*map(door.ask, calls))) == {204}
    assert door.most_at_once == 32


@pytest.mark.parametrize(
    "variants",
    [
        ["demo", "DEMO", " demo", "demo ", "Demo", "ｄｅｍｏ"],  # noqa: RUF001
        ["straße", "STRASSE", "strasse", "Straße", "\u017ftrasse", "stra\u1e9ee"],
    ],
)
async def test_a_variant_of_a_name_is_no_fresh_start(door: Door, variants: list[str]) -> None:
    """F31."""
    for name in variants[:5]:
        assert await door.login(name) == 401
    assert await door.login(variants[5]) == 429


TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJyb2xlIjoid2ViIn0.c2lnbmF0dXJl"
JSON_TYPE = (b"Content-Type", b"application/json; charset=utf-8")


@pytest.mark.parametrize(
    ("cookies", "body"),
    [
        ([b"access_token=; Max-Age=0"], b'{"ok":false}'),
        ([b"flash=wrong; Path=/"], b'{"ok":false}'),
        ([], b'{"error":"Invalid credentials"}'),
        ([], b'{"token":null}'),
        ([], b""),
    ],
)
async def test_a_reply_that_signs_nobody_in_clears_nothing_and_is_noted(
    door: Door, cookies: list[bytes], body: bytes
) -> None:
    """A function of one's own may answer 200 to a wrong password."""
    reply = Reply(200, [JSON_TYPE, *((b"Set-Cookie", cookie) for cookie in cookies)], body)
    door.guard._call = lambda _: asyncio.sleep(0, reply)
    assert [await door.login() for _ in range(6)] == [200] * 5 + [429]
    assert [kind for kind, *_ in door.records.kept] == ["sign_in_failed"] * 5 + ["sign_in_throttled"]


async def test_an_account_function_may_refuse_with_an_error_in_its_reply(door: Door) -> None:
    reply = Reply(200, [JSON_TYPE], b'{"error":"Invalid password"}')
    door.guard._call = lambda _: asyncio.sleep(0, reply)
    assert [await door.ask(change("wrong")) for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.parametrize("step", [0, 1, 0x40, 0x100, 0x3FFF])
async def test_a_site_gets_no_more_of_an_account_than_one_ipv4_address(door: Door, step: int) -> None:
    """However many networks of 64 bits it has."""
    for number in range(5):
        assert await door.login(address=f"2001:db8:0:{number * step:x}::1") == 401
    assert await door.login(address="2001:db8:0:ff00::1") == 429
    assert await door.login(password="right", address="2001:db8:1::1") == 204, "the owner, elsewhere"


async def test_one_site_cannot_lock_an_account_out(door: Door) -> None:
    for number in range(256):
        await door.login(address=f"2001:db8:0:{number:x}::1")
    assert len(door.called) == 5
    assert await door.login(password="right") == 204


@pytest.mark.parametrize(("step", "most"), [(0, 30), (1, 60), (0x100, 120)])
async def test_networks_of_a_site_spend_of_its_limits_as_well(door: Door, step: int, most: int) -> None:
    """Of 64 bits, of 56 bits and of 48 bits: a client, some, and a site."""
    addresses = [f"2001:db8:0:{number % 200 * step:x}::1" for number in range(200)]
    statuses = [
        await door.login(f"name{number}", "typo", address) for number, address in enumerate(addresses)
    ]
    assert statuses.count(404) == most
    assert {event.scope for event in door.events if isinstance(event, LimitReached)} == {"address"}


@pytest.mark.parametrize(
    "form",
    ["::ffff:192.0.2.1", "64:ff9b::192.0.2.1", "2002:c000:201::1", "2001:0:5ef5:79fd:0:59d:3fff:fdfe"],
)
async def test_an_ipv4_address_in_another_form_is_no_fresh_start(door: Door, form: str) -> None:
    for _ in range(5):
        assert await door.login(address=HERE) == 401
    assert await door.login(address=form) == 429


async def test_strangers_cannot_make_the_gateway_forget_what_an_attacker_has_spent() -> None:
    """416 networks did, when the counters that were not counted for longest gave way."""
    door = Door(Counters(most=1_000))
    for _ in range(5):
        assert await door.login("victim") == 401
    for number in range(416):
        for _ in range(5):
            await door.login(f"name{number}", "typo", f"2001:db8:{number:x}::1")
    assert await door.login("victim") == 429
    for number in range(40):
        await door.login("victim", address=f"198.51.100.{number}")
    victims = [call for call in door.called if b"victim" in call.body]
    assert len(victims) == 20, "and of all addresses together"


async def test_a_name_that_nobody_has_is_counted_alike(door: Door) -> None:
    for _ in range(5):
        assert await door.login("nobody at all") == 401
    assert await door.login("nobody at all") == 429


async def test_without_a_name_only_the_address_counts(door: Door) -> None:
    call = replace(login("demo", "typo"), body=b'{"typo":1}')
    assert [await door.ask(call) for _ in range(31)] == [404] * 30 + [429]
    assert door.events == [LimitReached("login", "address")]
    assert await door.login(address=ELSEWHERE) == 401


async def test_all_functions_that_check_the_password_of_an_account_share_its_budget(door: Door) -> None:
    for function in ("login", "enter_pin", "login", "enter_pin", "login"):
        assert await door.ask(login("demo", "wrong", function=function)) == 401
    assert await door.ask(login("demo", "wrong", function="enter_pin")) == 429


async def test_changing_a_password_is_counted_by_session(door: Door) -> None:
    for _ in range(5):
        assert await door.ask(change("wrong")) == 401
    assert await door.ask(change("right")) == 429
    assert await door.ask(change("wrong", "refresh_token=b")) == 401
    assert await door.login() == 401, "the name in the body is not who changes the password"
    assert door.events == [LimitReached("change_password", "session")]


@pytest.mark.parametrize("varied", ["cookie", "session"])
async def test_what_does_not_tell_the_session_is_no_fresh_start(door: Door, varied: str) -> None:
    """Functions go by the verified session if there is one, or by the cookie whatever else there is."""

    def guess(number: int) -> FunctionCall:
        told = {"cookie": "refresh_token=a", "session": "s-1"}
        told[varied] += str(number)
        return change("wrong", address=f"192.0.2.{number}", **told)

    assert [await door.ask(guess(number)) for number in range(6)] == [401] * 5 + [429]


async def test_changing_a_password_is_counted_by_account_over_all_of_its_sessions(door: Door) -> None:
    def guess(number: int, subject: str = "demo") -> FunctionCall:
        told = {"cookie": f"refresh_token=r-{number}", "session": f"s-{number}", "subject": subject}
        return change("wrong", address=f"192.0.2.{number}", **told)

    assert [await door.ask(guess(number)) for number in range(9)] == [401] * 8 + [429]
    assert door.events == [LimitReached("change_password", "account")]
    assert await door.ask(guess(10, "alice")) == 401
    assert await door.login() == 401, "signing in is another matter: strangers can try that"
    door.clock.now += 61
    assert await door.ask(replace(guess(11), body=b"{}")) == 204
    assert [await door.ask(guess(number)) for number in range(20, 28)] == [401] * 8, "cleared by success"


async def test_a_cookie_spends_nothing_of_the_session_that_it_names(door: Door) -> None:
    for _ in range(5):
        assert await door.ask(change("wrong", "refresh_token=s-1")) == 401
    assert await door.ask(change("wrong", session="s-1")) == 401


async def test_changing_a_password_clears_the_session_but_not_the_address(door: Door) -> None:
    for _ in range(2):
        for _ in range(4):
            assert await door.ask(change("wrong")) == 401
        assert await door.ask(change("right")) == 204
    assert await door.ask(change("right")) == 429
    assert door.events == [LimitReached("change_password", "address")]


async def test_a_flood_of_refreshes_is_stopped_by_address_and_each_function_by_itself(door: Door) -> None:
    """F53."""
    refresh = FunctionCall("refresh_token", "/rpc/refresh_token", b"", [], b"", HERE)
    logout = replace(refresh, name="logout")
    statuses = await asyncio.gather(*(door.ask(refresh) for _ in range(1_000)))
    assert (statuses.count(204), statuses.count(429)) == (40, 960)
    assert await door.ask(logout) == 204
    assert await door.ask(replace(refresh, address=ELSEWHERE)) == 204
    door.clock.now += 61
    assert await door.ask(refresh) == 204


async def test_what_was_refused_is_noted_and_nothing_else_is(door: Door) -> None:
    await door.login("Demo ")
    await door.login("typo", "typo", ELSEWHERE)
    await door.login("demo", "right", ELSEWHERE)
    await door.login("demo", "outage", ELSEWHERE)
    await door.ask(change("wrong"))
    assert door.records.kept == [
        ("sign_in_failed", "Demo ", HERE, "curl/8"),
        ("password_change_failed", "", HERE, ""),
    ]


async def test_a_flood_is_noted_once_a_minute_for_each_budget_that_stops_it(door: Door) -> None:
    await asyncio.gather(*(door.login() for _ in range(1_000)))
    await asyncio.gather(*(door.ask(change("wrong")) for _ in range(1_000)))
    refresh = FunctionCall("refresh_token", "/rpc/refresh_token", b"", [], b"", HERE)
    await asyncio.gather(*(door.ask(refresh) for _ in range(1_000)))
    await asyncio.gather(*(door.ask(replace(refresh, name="logout")) for _ in range(1_000)))
    kinds = Counter(kind for kind, *_ in door.records.kept)
    assert kinds == {
        "sign_in_failed": 5,
        "sign_in_throttled": 1,
        "password_change_failed": 5,
        "password_change_throttled": 1,
        "refresh_throttled": 1,
    }


async def test_what_the_database_cannot_answer_counts_and_frees_its_turn(door: Door) -> None:
    assert [await door.login(password="outage") for _ in range(6)] == [503] * 5 + [429]
    assert door.guard.queued == 0


async def test_renewals_that_lead_to_nothing_are_bounded_and_those_that_renew_are_not() -> None:
    clock = Clock()
    renewals = RenewalAttempts(Counters(clock=clock), Digests(b"secret"), read_windows("3/minute"))
    for _ in range(10):
        assert renewals.begin(HERE)
        renewals.succeed(HERE)
    assert [renewals.begin(HERE) for _ in range(5)] == [True, True, True, False, False]
    assert renewals.begin(ELSEWHERE)
    renewals.succeed(HERE)
    assert [renewals.begin(HERE) for _ in range(2)] == [True, False], "what was refused is not counted"
    clock.now += 61
    assert renewals.begin(HERE)


async def test_renewals_are_counted_for_a_site_as_well() -> None:
    renewals = RenewalAttempts(Counters(), Digests(b"secret"), read_windows("3/minute"))
    tried = [renewals.begin(f"2001:db8:0:{number << 8:x}::1") for number in range(20)]
    assert tried.count(True) == 12


async def test_renewals_can_be_unlimited() -> None:
    renewals = RenewalAttempts(Counters(), Digests(b"secret"), read_windows("off"))
    assert all(renewals.begin(HERE) for _ in range(1_000))
