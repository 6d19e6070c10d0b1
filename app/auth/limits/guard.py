"""Auth functions with their limits: each HTTP call is counted here before it reaches the database."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from app.auth.calls import FunctionCall
from app.auth.context import read_cookies
from app.auth.limits.budgets import Attempt, BudgetExhausted, Budgets, Windows, widened
from app.auth.limits.checks import Disconnected, PasswordChecks
from app.auth.limits.counters import Counters
from app.auth.limits.keys import Digests, account_of, canonical_name, networks_of
from app.auth.limits.records import FailureRecords
from app.auth.replies import Reply
from app.auth.sign_ins import reports_error, signs_in
from app.catalogue import Entry, Scope
from app.core.session.cookie_names import CookieNames
from app.errors import RateLimited
from app.events import LimitReached, Observer

RENEWAL: Final = "renewal"

_RECORDED_SECONDS: Final = 60  # an exhausted budget is recorded once in this time
_MAX_RECORDED: Final = 10_000
_REJECTIONS: Final = frozenset({401, 403})
_LOWEST_ERROR: Final = 400

Call = Callable[[FunctionCall], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """The limits of each function."""

    functions: Mapping[str, Entry]
    account_argument: str
    session_cookies: CookieNames
    windows: Mapping[tuple[str, Scope], Windows]  # by `Family.limits` and scope


class GuardedFunctions:
    """Calls auth functions within their limits."""

    def __init__(
        self,
        call: Call,
        *,
        policy: LimitPolicy,
        digest: Digests,
        budgets: Budgets,
        checks: PasswordChecks,
        records: FailureRecords,
        observe: Observer,
    ) -> None:
        self._call = call
        self._policy = policy
        self._digest = digest
        self._budgets = budgets
        self.checks = checks
        self._records = records
        self._recorded = Counters(most=_MAX_RECORDED, cells=0)
        self._observe = observe

    @property
    def queued(self) -> int:
        """The number of queued password checks."""
        return self.checks.queued

    def adopt(self, policy: LimitPolicy, digest: Digests) -> None:
        """Use other limits from now on. With another digest key, all budgets start again."""
        self._policy, self._digest = policy, digest

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._records.close()
        await self._budgets.close()

    async def call(self, call: FunctionCall, disconnected: Disconnected) -> Reply:
        """The reply of the function. Raises RateLimited, SignInBusy, and the errors of `AuthFunctions.call`.

        `disconnected` raises when the client has disconnected: a queued call then leaves the queue.
        """
        entry = self._policy.functions[call.name]
        family = entry.family
        account = self._account(call, entry)
        attempts = self._attempts(call, entry, account)
        try:
            await self._budgets.consume(attempts)
        except BudgetExhausted as exhaustion:
            budget = exhaustion.exhausted
            self._observe(LimitReached(call.name, budget.scope))
            if self._recorded.add(f"{budget.kind}/{budget.scope}/{budget.key}", _RECORDED_SECONDS) == 1:
                self._record(family.throttled, call, account)
            raise RateLimited(seconds=exhaustion.seconds, reason=f"{call.name}: {budget.scope}") from None
        if not family.checks_secret:
            return await self._call(call)
        async with self.checks.slot(disconnected):
            reply = await self._call(call)
        if self._succeeded(entry, reply):
            await self._budgets.clear(attempts)
        elif reply.status in _REJECTIONS or reply.status < _LOWEST_ERROR:
            self._record(family.failed, call, account)
        return reply

    def _succeeded(self, entry: Entry, reply: Reply) -> bool:
        """Whether the password was correct. A function may respond to a wrong one with 200 too."""
        if entry.needs_session:
            return reply.status < _LOWEST_ERROR and not reports_error(reply)
        return signs_in(reply, self._policy.session_cookies)

    def _record(self, kind: str, call: FunctionCall, account: str | None) -> None:
        if kind:
            agent = (call.header(b"user-agent") or b"").decode(errors="replace")
            self._records.add(kind, username=account or "", address=call.address, user_agent=agent)

    def _account(self, call: FunctionCall, entry: Entry) -> str | None:
        """The account name in the request of a function that signs in; None without one."""
        if entry.needs_session or not entry.family.checks_secret:
            return None
        return account_of(call, self._policy.account_argument)

    def _attempts(self, call: FunctionCall, entry: Entry, account: str | None) -> list[Attempt]:
        """One attempt for each budget of the call, in the order of the family's scopes."""
        family = entry.family
        kind = family.name if family.is_shared else f"{family.name}/{call.name}"
        attempts: list[Attempt] = []
        for scope in family.scopes:
            windows = self._policy.windows[family.limits, scope]
            if scope == "address":
                attempts += self._by_address(kind, call, windows)
                continue
            keys = (
                self._session_keys(scope, call)
                if entry.needs_session
                else self._name_keys(scope, call, account)
            )
            attempts += (Attempt(kind, scope, key, windows, is_cleared=True) for key in keys)
        return attempts

    def _name_keys(self, scope: Scope, call: FunctionCall, account: str | None) -> list[str]:
        """The keys of a call whose arguments name the account."""
        if account is None:
            return []
        canonical = canonical_name(account)
        if scope == "account":
            return [self._digest(canonical)]
        site = networks_of(call.address)[-1].name  # an IPv6 site gets as many attempts as one IPv4 address
        return [self._digest(site, canonical)]

    def _session_keys(self, scope: Scope, call: FunctionCall) -> list[str]:
        """The keys of a call whose session identifies the account.

        Only calls with a session of the account are counted in the account's budget.
        """
        if scope == "account":
            return [self._digest("subject", call.subject)] if call.subject else []
        # The function reads the session from one of the two; the other may have any value
        cookie = read_cookies(call).get(self._policy.session_cookies.refresh.decode())
        both = (("sid", call.session), ("cookie", cookie))
        return [self._digest(by, value) for by, value in both if value]

    def _by_address(self, kind: str, call: FunctionCall, windows: Windows) -> list[Attempt]:
        return [
            Attempt(kind, "address", self._digest(network.name), widened(windows, network.share))
            for network in networks_of(call.address)
        ]


class RenewalAttempts:
    """Failed silent renewals, by address. Counted in this process, before the database is called."""

    def __init__(self, counters: Counters, digest: Digests, windows: Windows) -> None:
        self._counters = counters
        self._digest = digest
        self._windows = windows

    def adopt(self, digest: Digests, windows: Windows) -> None:
        """Use other limits from now on."""
        self._digest, self._windows = digest, windows

    def begin(self, address: str) -> bool:
        """Whether a renewal may be attempted; if so, it is counted."""
        keys = self._keys(address)
        if any(self._counters.count(key) >= amount for key, _, amount in keys):
            return False
        for key, seconds, _ in keys:
            self._counters.add(key, seconds)
        return True

    def succeed(self, address: str) -> None:
        """Undo the count of a renewal that succeeded, or that failed because of the database."""
        for key, _, _ in self._keys(address):
            self._counters.undo(key)

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
