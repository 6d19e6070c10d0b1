"""The auth functions behind their limits: what comes in by HTTP passes here before the database is asked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self

from app.auth.calls import FunctionCall
from app.auth.context import read_cookies
from app.auth.limits.budgets import Budgets, BudgetSpent, Try, Windows, widened
from app.auth.limits.checks import Left, PasswordChecks
from app.auth.limits.counters import Counters
from app.auth.limits.keys import Digests, account_of, form_of, networks_of
from app.auth.limits.notes import FailureNotes
from app.auth.replies import Reply
from app.auth.sign_ins import reports_error, signs_in
from app.core.session.cookies import CookieNames
from app.errors import RateLimited
from app.events import LimitReached, Observer

LOGIN: Final = "login"
CHANGE: Final = "change"
CALL: Final = "call/{}"
REFRESH: Final = "refresh"
RENEWAL: Final = "renewal"

# As auth.note_failure() names them
_FAILED: Final = {LOGIN: "sign_in_failed", CHANGE: "password_change_failed"}
_THROTTLED: Final = {
    LOGIN: "sign_in_throttled",
    CHANGE: "password_change_throttled",
    REFRESH: "refresh_throttled",
}
_NOTED_SECONDS: Final = 60  # a flood that one budget stops is noted once in this time
_MOST_NOTED: Final = 10_000
_REFUSED: Final = frozenset({401, 403})
_LOWEST_ERROR: Final = 400

Call = Callable[[FunctionCall], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """What is limited, by what, and how much."""

    password_functions: frozenset[str]  # that check a password
    account_functions: frozenset[str]  # of these, those that know who asks by the session
    account_argument: str
    refresh_function: str
    session_cookies: CookieNames
    login_address: Windows
    login_account: Windows
    login_pair: Windows
    change_address: Windows
    change_session: Windows
    change_account: Windows
    call_address: Windows


class GuardedFunctions:
    """Calls auth functions, as far as the limits let it."""

    def __init__(
        self,
        call: Call,
        *,
        policy: LimitPolicy,
        digest: Digests,
        budgets: Budgets,
        checks: PasswordChecks,
        notes: FailureNotes,
        observe: Observer,
    ) -> None:
        self._call = call
        self._policy = policy
        self._digest = digest
        self._budgets = budgets
        self.checks = checks
        self._notes = notes
        self._noted = Counters(most=_MOST_NOTED, cells=0)
        self._observe = observe

    @property
    def waiting(self) -> int:
        """How many passwords wait to be checked."""
        return self.checks.waiting

    def adopt(self, policy: LimitPolicy, digest: Digests) -> None:
        """Go by other limits from now on. Under another key, what was counted is forgotten."""
        self._policy, self._digest = policy, digest

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._notes.close()
        await self._budgets.close()

    async def call(self, call: FunctionCall, left: Left) -> Reply:
        """The reply of the function. Raises RateLimited, SignInBusy, and what a call of a function raises.

        `left` ends by raising when the client is gone: who waits for a check of a password then makes room.
        """
        is_check = call.name in self._policy.password_functions
        account = self._account(call) if is_check else None
        tries = self._tries(call, account)
        try:
            await self._budgets.spend(tries)
        except BudgetSpent as refusal:
            spent = refusal.spent
            self._observe(LimitReached(call.name, spent.scope))
            if self._noted.add(f"{spent.kind}/{spent.scope}/{spent.key}", _NOTED_SECONDS) == 1:
                self._note(_THROTTLED.get(spent.kind), call, account)
            raise RateLimited(seconds=refusal.seconds, reason=f"{call.name}: {spent.scope}") from None
        if not is_check:
            return await self._call(call)
        async with self.checks.turn(left):
            reply = await self._call(call)
        if self._succeeded(call, reply):
            await self._budgets.clear(tries)
        elif reply.status in _REFUSED or reply.status < _LOWEST_ERROR:
            self._note(_FAILED.get(tries[0].kind), call, account)
        return reply

    def _succeeded(self, call: FunctionCall, reply: Reply) -> bool:
        """Whether the password was right: to a wrong one, a function may answer 200 as well."""
        if call.name in self._policy.account_functions:
            return reply.status < _LOWEST_ERROR and not reports_error(reply)
        return signs_in(reply, self._policy.session_cookies)

    def _note(self, kind: str | None, call: FunctionCall, account: str | None) -> None:
        if kind is not None:
            agent = (call.header(b"user-agent") or b"").decode(errors="replace")
            self._notes.add(kind, username=account or "", address=call.address, user_agent=agent)

    def _account(self, call: FunctionCall) -> str | None:
        """The name of the account whose password is to be checked, if the request gives one."""
        if call.name in self._policy.account_functions:
            return None
        return account_of(call, self._policy.account_argument)

    def _tries(self, call: FunctionCall, account: str | None) -> list[Try]:
        """What the call spends of: first what is the client's own, last what others need as well."""
        policy = self._policy
        if call.name not in policy.password_functions:
            kind = REFRESH if call.name == policy.refresh_function else CALL.format(call.name)
            return self._by_address(kind, call, policy.call_address)
        if call.name in policy.account_functions:
            return self._change_tries(call)
        by_address = self._by_address(LOGIN, call, policy.login_address)
        if account is None:
            return by_address
        form = form_of(account)
        site = networks_of(call.address)[-1].name  # which gets no more of an account than one IPv4 address
        return [
            Try(LOGIN, "pair", self._digest(site, form), policy.login_pair, is_cleared=True),
            *by_address,
            Try(LOGIN, "account", self._digest(form), policy.login_account, is_cleared=True),
        ]

    def _change_tries(self, call: FunctionCall) -> list[Try]:
        """What a check of a password spends of that knows the account by its session.

        Strangers cannot spend the account's budget: it takes a session of the account.
        """
        policy = self._policy
        # By whichever of the two the function knows the session, the other one may be anything
        cookie = read_cookies(call).get(policy.session_cookies.refresh.decode())
        told = [
            ("session", "sid", call.session, policy.change_session),
            ("session", "cookie", cookie, policy.change_session),
            ("account", "subject", call.subject, policy.change_account),
        ]
        return [
            *(
                Try(CHANGE, scope, self._digest(by, value), windows, is_cleared=True)
                for scope, by, value, windows in told
                if value
            ),
            *self._by_address(CHANGE, call, policy.change_address),
        ]

    def _by_address(self, kind: str, call: FunctionCall, windows: Windows) -> list[Try]:
        return [
            Try(kind, "address", self._digest(network.name), widened(windows, network.share))
            for network in networks_of(call.address)
        ]


class RenewalTries:
    """Silent renewals that led to nothing, by address. Counted in this process: it spares the database."""

    def __init__(self, counters: Counters, digest: Digests, windows: Windows) -> None:
        self._counters = counters
        self._digest = digest
        self._windows = windows

    def adopt(self, digest: Digests, windows: Windows) -> None:
        """Go by other limits from now on."""
        self._digest, self._windows = digest, windows

    def begin(self, address: str) -> bool:
        """Whether a renewal may be tried; if so, it is counted."""
        keys = self._keys(address)
        if any(self._counters.count(key) >= amount for key, _, amount in keys):
            return False
        for key, seconds, _ in keys:
            self._counters.add(key, seconds)
        return True

    def succeed(self, address: str) -> None:
        """Take back the count of one that renewed a session, or of one that the database could not answer."""
        for key, _, _ in self._keys(address):
            self._counters.take_back(key)

    def _keys(self, address: str) -> list[tuple[str, int, int]]:
        return [
            (
                window.key_for(RENEWAL, "address", self._digest(network.name)),
                window.get_expiry(),
                window.amount,
            )
            for network in networks_of(address)
            for window in widened(self._windows, network.share)
        ]
