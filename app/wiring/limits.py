"""The limits of auth functions and renewals from the settings."""

import asyncpg

from app.auth.limits.budgets import Budgets, Windows, read_windows
from app.auth.limits.checks import PasswordChecks
from app.auth.limits.counters import Counters, MemoryStorage
from app.auth.limits.guard import Call, GuardedFunctions, LimitPolicy, RenewalAttempts
from app.auth.limits.keys import Digests
from app.auth.limits.records import FailureRecords
from app.catalogue import FAMILIES, Catalogue
from app.events import Observer
from app.settings import Settings
from app.wiring.admission import cookie_names
from app.wiring.functions import listed_functions


def guarded(
    settings: Settings,
    call: Call,
    database: "asyncpg.Pool[asyncpg.Record]",
    catalogue: Catalogue,
    emit: Observer,
) -> GuardedFunctions:
    """The auth functions with their limits."""
    return GuardedFunctions(
        call,
        policy=limit_policy(settings, catalogue),
        digest=digests(settings),
        budgets=_budgets(settings, emit),
        checks=PasswordChecks(
            at_once=settings.password_checks,
            most_queued=settings.password_queue,
            seconds=settings.password_queue_seconds,
        ),
        records=FailureRecords(database, schema=settings.auth_schema, observe=emit),
        observe=emit,
    )


def limit_policy(settings: Settings, catalogue: Catalogue) -> LimitPolicy:
    return LimitPolicy(
        functions=listed_functions(settings, catalogue),
        account_argument=settings.account_argument,
        session_cookies=cookie_names(settings).secure,
        windows={
            (family.limits, scope): read_windows(getattr(settings, f"{family.limits}_limit_{scope}"))
            for family in FAMILIES
            for scope in family.scopes
        },
    )


def digests(settings: Settings) -> Digests:
    return Digests(settings.jwt_ring.private_bytes)


def _budgets(settings: Settings, emit: Observer) -> Budgets:
    own = MemoryStorage(Counters())
    if settings.rate_limit_storage == "memory":
        return Budgets(own)
    from app.auth.limits.stores import SharedStorage  # noqa: PLC0415  its client is an optional dependency

    shared = SharedStorage(settings.rate_limit_storage.get_secret_value(), own, emit)
    return Budgets(shared, close=shared.close)


def renewal_attempts(settings: Settings) -> RenewalAttempts:
    return RenewalAttempts(Counters(), digests(settings), renewal_windows(settings))


def renewal_windows(settings: Settings) -> Windows:
    return read_windows(settings.call_limit_address)
