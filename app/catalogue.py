"""Every auth function that Postgate ships, once: how each is called, limited and recorded.

The defaults of the settings, the limits, the audit events, the metrics and `postgate check` use it. A
project's own function in the settings gets a default entry (`Catalogue.listed`).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

Scope = Literal["address", "account", "pair", "session"]


@dataclass(frozen=True, slots=True)
class Family:
    """Functions with the same budgets and audit events.

    The setting `<limits>_limit_<scope>` has the windows of each scope. Scopes are counted in this order: the
    budget of a single client comes before those that several clients share.
    """

    name: str
    limits: str
    scopes: tuple[Scope, ...] = ("address",)
    checks_secret: bool = False  # a slow password check: calls are queued, and success clears the budgets
    failed: str = ""  # the kind of `auth.event` for a failed call; empty: not recorded
    throttled: str = ""  # the kind of `auth.event` for an exhausted budget; likewise
    is_shared: bool = True  # one budget for the family; else one for each function


LOGIN: Final = Family(
    "login",
    "login",
    ("pair", "address", "account"),
    checks_secret=True,
    failed="sign_in_failed",
    throttled="sign_in_throttled",
)
CHANGE: Final = Family(
    "change",
    "change",
    ("session", "account", "address"),
    checks_secret=True,
    failed="password_change_failed",
    throttled="password_change_throttled",
)
REAUTHENTICATION: Final = Family(
    "reauthentication",
    "change",
    ("session", "account", "address"),
    checks_secret=True,
    failed="reauthentication_failed",
    throttled="reauthentication_throttled",
)
# Hashes a password without checking one: queued like the checks
REGISTRATION: Final = Family("registration", "change", checks_secret=True, throttled="registration_throttled")
CODE: Final = Family("code", "change", checks_secret=True, failed="code_failed", throttled="code_throttled")
REFRESH: Final = Family("refresh", "call", throttled="refresh_throttled")
CALL: Final = Family("call", "call", is_shared=False)
SIGN_OUT: Final = "logout"
FAMILIES: Final = (LOGIN, CHANGE, REAUTHENTICATION, REGISTRATION, CODE, REFRESH, CALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One auth function."""

    name: str  # without a schema: it is the last segment of the path
    family: Family = CALL
    schema: str = ""  # empty: the auth schema
    needs_session: bool = False  # an account function: called only if Content-Profile names the schema
    reads_claims: bool = False  # identifies the caller only by the claims of the access token
    renews: bool = False  # the refresh function: its new cookies continue the session
    may_be_missing: bool = False  # not listed: if SQL has no such function, the gateway itself signs out

    @property
    def signs_out(self) -> bool:
        """Whether it is the function that the gateway itself can replace."""
        return self.name == SIGN_OUT and not self.needs_session

    @property
    def renews_first(self) -> bool:
        """Whether an expired access token is renewed before the call: a refresh cookie names no account."""
        return self.needs_session and (self.family.checks_secret or self.reads_claims)


def plain_name(function: str) -> str:
    """A function's name without its schema."""
    return function.rpartition(".")[2]


class Catalogue:
    """Auth functions by name, in the default order of the settings."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = {entry.name: entry for entry in entries}

    def extended(self, *entries: Entry) -> "Catalogue":
        """A copy with these entries added."""
        return Catalogue([*self._entries.values(), *entries])

    @property
    def public(self) -> tuple[str, ...]:
        """The names of the functions that need no session."""
        return tuple(name for name, entry in self._entries.items() if not entry.needs_session)

    @property
    def account(self) -> tuple[str, ...]:
        """The names of the functions that need a session."""
        return tuple(name for name, entry in self._entries.items() if entry.needs_session)

    def listed(
        self,
        public: Collection[str],
        account: Collection[str],
        *,
        refresh: str,
        check_secrets: Collection[str] | None,
    ) -> Mapping[str, Entry]:
        """The functions of a gateway by name, public ones first.

        `public` and `account` are the names in its settings, with or without a schema, `refresh` is the
        refresh function. `check_secrets` names the functions that check a password; None: all except the
        shipped ones that check none. A name in both lists is an account function. Where functions sign in,
        there is a sign-out too.
        """
        checks = None if check_secrets is None else {plain_name(name) for name in check_secrets}
        listed = {
            plain_name(name): replace(
                self._entry(
                    plain_name(name),
                    needs_session=name in account,
                    refresh=plain_name(refresh),
                    checks=checks,
                ),
                schema=name.rpartition(".")[0],
            )
            for name in (*public, *account)
        }
        if public and SIGN_OUT not in listed:
            listed[SIGN_OUT] = Entry(SIGN_OUT, may_be_missing=True)
        return listed

    def _entry(
        self, name: str, *, needs_session: bool, refresh: str, checks: Collection[str] | None
    ) -> Entry:
        plain = Entry(name, CHANGE if needs_session else LOGIN, needs_session=needs_session)
        known = self._entries.get(name)
        entry = known if known is not None and known.needs_session == needs_session else plain
        if checks is not None:
            checks_secret = name in checks
        else:
            checks_secret = name != refresh and (known is None or known.family.checks_secret)
        if not checks_secret:
            family = REFRESH if name == refresh else CALL
        else:
            family = entry.family if entry.family.checks_secret else plain.family
        return replace(entry, family=family, renews=name == refresh)


SHIPPED: Final = Catalogue(
    (
        Entry("login", LOGIN),
        Entry(SIGN_OUT),
        Entry("refresh_token", REFRESH),
        Entry("sessions", needs_session=True),
        Entry("end_session", needs_session=True),
        Entry("logout_others", needs_session=True),
        Entry("logout_all", needs_session=True),
        Entry("change_password", CHANGE, needs_session=True),
        Entry("me", needs_session=True, reads_claims=True),
        # Functions about accounts; some need no session, and all are called by Content-Profile only
        Entry("register", REGISTRATION, needs_session=True),
        Entry("verify_email", CODE, needs_session=True),
        Entry("request_password_reset", needs_session=True),
        Entry("reset_password", CODE, needs_session=True),
        Entry("request_sign_in_code", needs_session=True),
        Entry("sign_in_with_code", CODE, needs_session=True),
        Entry("reauthenticate", REAUTHENTICATION, needs_session=True),
        Entry("request_email_change", needs_session=True),
        Entry("confirm_email_change", CODE, needs_session=True),
        Entry("cancel_email_change", CODE, needs_session=True),
        Entry("invite", needs_session=True),
        Entry("accept_invitation", CODE, needs_session=True),
        Entry("create_guest", needs_session=True),
        Entry("update_profile", needs_session=True),
        Entry("delete_account", needs_session=True),
    )
)
