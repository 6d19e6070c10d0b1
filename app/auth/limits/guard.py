"""The auth functions behind their limits: what comes in by HTTP passes here before the database is asked."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final, Self

from app.auth.calls import FunctionCall
from app.auth.context import read_cookies
from app.auth.limits.budgets import Attempt, BudgetExhausted, Budgets, Windows, widened
from app.auth.limits.checks import Left, PasswordChecks
from app.auth.limits.counters import Counters
from app.auth.limits.keys import Digests, account_of, form_of, networks_of
from app.auth.limits.records import FailureRecords
from app.auth.replies import Reply
from app.auth.sign_ins import reports_error, signs_in
from app.catalogue import Entry, Scope
from app.core.session.cookie_names import CookieNames
from app.errors import RateLimited
from app.events import LimitReached, Observer

RENEWAL: Final = "renewal"

_NOTED_SECONDS: Final = 60  # a flood that one budget stops is noted once in this time
_MOST_NOTED: Final = 10_000
_REFUSED: Final = frozenset({401, 403})
_LOWEST_ERROR: Final = 400

Call = Callable[[FunctionCall], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class LimitPolicy:
    """What is limited, by what, and how much."""

    functions: Mapping[str, Entry]
    account_argument: str
    session_cookies: CookieNames
    windows: Mapping[tuple[str, Scope], Windows]  # by what `Family.limits` says, and the scope


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
        records: FailureRecords,
        observe: Observer,
    ) -> None:
        self._call = call
        self._policy = policy
        self._digest = digest
        self._budgets = budgets
        self.checks = checks
        self._records = records
        self._noted = Counters(most=_MOST_NOTED, cells=0)
        self._observe = observe

    @property
    def queued(self) -> int:
        """How many passwords wait to be checked."""
        return self.checks.queued

    def adopt(self, policy: LimitPolicy, digest: Digests) -> None:
        """Go by other limits from now on. Under another key, what was counted is forgotten."""
        self._policy, self._digest = policy, digest

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._records.close()
        await self._budgets.close()

    async def call(self, call: FunctionCall, left: Left) -> Reply:
        """The reply of the function. Raises RateLimited, SignInBusy, and what a call of a function raises.

        `left` ends by raising when the client is gone: who waits for a check of a password then makes room.
        """
        entry = self._policy.functions[call.name]
        family = entry.family
        account = self._account(call, entry)
        attempts = self._attempts(call, entry, account)
        try:
            await self._budgets.consume(attempts)
        except BudgetExhausted as refusal:
            exhausted = refusal.exhausted
            self._observe(LimitReached(call.name, exhausted.scope))
            if self._noted.add(f"{exhausted.kind}/{exhausted.scope}/{exhausted.key}", _NOTED_SECONDS) == 1:
                self._note(family.throttled, call, account)
            raise RateLimited(seconds=refusal.seconds, reason=f"{call.name}: {exhausted.scope}") from None
        if not family.checks_secret:
            return await self._call(call)
        async with self.checks.turn(left):
            reply = await self._call(call)
        if self._succeeded(entry, reply):
            await self._budgets.clear(attempts)
        elif reply.status in _REFUSED or reply.status < _LOWEST_ERROR:
            self._note(family.failed, call, account)
        return reply

    def _succeeded(self, entry: Entry, reply: Reply) -> bool:
        """Whether the password was right: to a wrong one, a function may answer 200 as well."""
        if entry.needs_session:
            return reply.status < _LOWEST_ERROR and not reports_error(reply)
        return signs_in(reply, self._policy.session_cookies)

    def _note(self, kind: str, call: FunctionCall, account: str | None) -> None:
        if kind:
            agent = (call.header(b"user-agent") or b"").decode(errors="replace")
            self._records.add(kind, username=account or "", address=call.address, user_agent=agent)

    def _account(self, call: FunctionCall, entry: Entry) -> str | None:
        """The name of the account whose password is to be checked, if the request gives one."""
        if entry.needs_session or not entry.family.checks_secret:
            return None
        return account_of(call, self._policy.account_argument)

    def _attempts(self, call: FunctionCall, entry: Entry, account: str | None) -> list[Attempt]:
        """What the call spends: one attempt for each budget, in the order of the family's scopes."""
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
        """Whose budget a call spends that names the account itself."""
        if account is None:
            return []
        form = form_of(account)
        if scope == "account":
            return [self._digest(form)]
        site = networks_of(call.address)[-1].name  # which gets no more of an account than one IPv4 address
        return [self._digest(site, form)]

    def _session_keys(self, scope: Scope, call: FunctionCall) -> list[str]:
        """Whose budget a call spends that knows the account by its session.

        Strangers cannot spend the account's budget: it takes a session of the account.
        """
        if scope == "account":
            return [self._digest("subject", call.subject)] if call.subject else []
        # By whichever of the two the function knows the session, the other one may be anything
        cookie = read_cookies(call).get(self._policy.session_cookies.refresh.decode())
        both = (("sid", call.session), ("cookie", cookie))
        return [self._digest(by, value) for by, value in both if value]

    def _by_address(self, kind: str, call: FunctionCall, windows: Windows) -> list[Attempt]:
        return [
            Attempt(kind, "address", self._digest(network.name), widened(windows, network.share))
            for network in networks_of(call.address)
        ]


class RenewalAttempts:
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
