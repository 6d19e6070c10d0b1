"""The auth functions with their limits, as the settings want them. Part of the composition root."""

from collections.abc import Mapping

import asyncpg

from app.auth.functions import AuthFunctions
from app.auth.limits.budgets import Budgets, Windows, read_windows
from app.auth.limits.checks import PasswordChecks
from app.auth.limits.counters import Counters, MemoryStorage
from app.auth.limits.guard import GuardedFunctions, LimitPolicy, RenewalTries
from app.auth.limits.keys import Digests
from app.auth.limits.notes import FailureNotes
from app.catalogue import FAMILIES, Catalogue, Entry
from app.events import Observer
from app.settings import Settings
from app.wiring.parts import cookie_names


def guarded(
    settings: Settings,
    functions: AuthFunctions,
    database: "asyncpg.Pool[asyncpg.Record]",
    observe: Observer,
    catalogue: Catalogue,
) -> GuardedFunctions:
    """The auth functions with their limits around them."""
    return GuardedFunctions(
        functions.call,
        policy=limit_policy(settings, catalogue),
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


def limit_policy(settings: Settings, catalogue: Catalogue) -> LimitPolicy:
    return LimitPolicy(
        functions=listed_functions(settings, catalogue),
        account_argument=settings.account_argument,
        session_cookies=cookie_names(settings),
        windows={
            (family.limits, scope): read_windows(getattr(settings, f"{family.limits}_limit_{scope}"))
            for family in FAMILIES
            for scope in family.scopes
        },
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


def listed_functions(settings: Settings, catalogue: Catalogue) -> Mapping[str, Entry]:
    """The functions that the settings list, by name."""
    return catalogue.listed(
        settings.auth_functions,
        settings.account_functions,
        refresh=settings.refresh_function,
        check_secrets=settings.password_functions,
    )


def sign_in_functions(functions: Mapping[str, Entry]) -> frozenset[str]:
    """Those that check a password and need no session."""
    return frozenset(
        name
        for name, entry in functions.items()
        if entry.family.checks_secret and not entry.needs_session and not entry.renews
    )


def renewal_tries(settings: Settings) -> RenewalTries:
    return RenewalTries(Counters(), digests(settings), renewal_windows(settings))


def renewal_windows(settings: Settings) -> Windows:
    return read_windows(settings.call_limit_address)
