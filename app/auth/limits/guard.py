"""The auth functions behind their limits: what comes in by HTTP passes here before the database is asked."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Self

from app.auth.calls import FunctionCall
from app.auth.context import read_cookies
from app.auth.limits.budgets import Budgets, BudgetSpent, Try, Windows
from app.auth.limits.checks import Left, PasswordChecks
from app.auth.limits.counters import Counters
from app.auth.limits.keys import Digests, account_of, form_of, network_of
from app.auth.limits.notes import FailureNotes
from app.auth.replies import Reply
from app.core.cookies import deletes
from app.errors import RateLimited
from app.events import LimitReached, Observer

LOGIN: Final = "login"
CHANGE: Final = "change"
CALL: Final = "call/{}"
RENEWAL: Final = "renewal"

# As auth.note_failure() names them
_FAILED: Final = {LOGIN: "sign_in_failed", CHANGE: "password_change_failed"}
_THROTTLED: Final = {
    LOGIN: "sign_in_throttled",
    CHANGE: "password_change_throttled",
    CALL.format("refresh_token"): "refresh_throttled",
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
    refresh_cookie: str
    login_address: Windows
    login_account: Windows
    login_pair: Windows
    change_address: Windows
    change_session: Windows
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
        self._noted = Counters(most=_MOST_NOTED)
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
        elif reply.status in _REFUSED:
            self._note(_FAILED.get(tries[0].kind), call, account)
        return reply

    def _succeeded(self, call: FunctionCall, reply: Reply) -> bool:
        """Whether the password was right: to a wrong one, a function may answer 200, but sets no cookie."""
        if reply.status >= _LOWEST_ERROR:
            return False
        return call.name in self._policy.account_functions or any(
            name.lower() == b"set-cookie" and not deletes(value) for name, value in reply.headers
        )

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
        policy, digest, network = self._policy, self._digest, network_of(call.address)
        if call.name not in policy.password_functions:
            return [Try(CALL.format(call.name), "address", digest(network), policy.call_address)]
        if call.name in policy.account_functions:
            # By whichever of the two the function knows the session, the other one may be anything
            told = {"sid": call.session, "cookie": read_cookies(call).get(policy.refresh_cookie)}
            return [
                *(
                    Try(CHANGE, "session", digest(by, value), policy.change_session, is_cleared=True)
                    for by, value in told.items()
                    if value
                ),
                Try(CHANGE, "address", digest(network), policy.change_address),
            ]
        from_address = Try(LOGIN, "address", digest(network), policy.login_address)
        if account is None:
            return [from_address]
        form = form_of(account)
        return [
            Try(LOGIN, "pair", digest(network, form), policy.login_pair, is_cleared=True),
            from_address,
            Try(LOGIN, "account", digest(form), policy.login_account, is_cleared=True),
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
        key = self._digest(network_of(address))
        return [
            (window.key_for(RENEWAL, key), window.get_expiry(), window.amount) for window in self._windows
        ]
