"""The auth functions with their limits, as the settings want them. Part of the composition root."""

import asyncpg

from app.auth.functions import AuthFunctions
from app.auth.limits.budgets import Budgets, Windows, read_windows
from app.auth.limits.checks import PasswordChecks
from app.auth.limits.counters import Counters, MemoryStorage
from app.auth.limits.guard import GuardedFunctions, LimitPolicy, RenewalTries
from app.auth.limits.keys import Digests
from app.auth.limits.notes import FailureNotes
from app.events import Observer
from app.routes.session import FunctionNames
from app.settings import Settings
from app.wiring.parts import cookie_names


def guarded(
    settings: Settings,
    functions: AuthFunctions,
    database: "asyncpg.Pool[asyncpg.Record]",
    observe: Observer,
) -> GuardedFunctions:
    """The auth functions with their limits around them."""
    return GuardedFunctions(
        functions.call,
        policy=limit_policy(settings),
        digest=digests(settings),
        budgets=_budgets(settings, observe),
        checks=PasswordChecks(
            at_once=settings.password_checks,
            most_waiting=settings.password_queue,
            seconds=settings.password_queue_seconds,
        ),
        notes=FailureNotes(database, schema=settings.auth_schema, observe=observe),
        observe=observe,
    )


def limit_policy(settings: Settings) -> LimitPolicy:
    return LimitPolicy(
        password_functions=settings.password_checkers,
        account_functions=frozenset(settings.account_functions),
        account_argument=settings.account_argument,
        refresh_function=settings.refresh_function,
        session_cookies=cookie_names(settings),
        login_address=read_windows(settings.login_limit_address),
        login_account=read_windows(settings.login_limit_account),
        login_pair=read_windows(settings.login_limit_pair),
        change_address=read_windows(settings.change_limit_address),
        change_session=read_windows(settings.change_limit_session),
        change_account=read_windows(settings.change_limit_account),
        call_address=read_windows(settings.call_limit_address),
    )


def digests(settings: Settings) -> Digests:
    return Digests(settings.jwt_keys[0])


def _budgets(settings: Settings, observe: Observer) -> Budgets:
    own = MemoryStorage(Counters())
    if settings.rate_limit_storage == "memory":
        return Budgets(own)
    from app.auth.limits.stores import SharedStorage  # noqa: PLC0415  its client is an optional dependency

    shared = SharedStorage(settings.rate_limit_storage.get_secret_value(), own, observe)
    return Budgets(shared, close=shared.close)


def sign_in_functions(settings: Settings) -> frozenset[str]:
    """Those that check a password and need no session."""
    return settings.password_checkers & frozenset(settings.auth_functions) - {settings.refresh_function}


def function_names(settings: Settings) -> FunctionNames:
    account = frozenset(settings.account_functions)
    return FunctionNames(
        all=(*settings.auth_functions, *settings.account_functions),
        account=account,
        account_checks=account & settings.password_checkers,
        refresh=settings.refresh_function,
    )


def renewal_tries(settings: Settings) -> RenewalTries:
    return RenewalTries(Counters(), digests(settings), renewal_windows(settings))


def renewal_windows(settings: Settings) -> Windows:
    return read_windows(settings.call_limit_address)
