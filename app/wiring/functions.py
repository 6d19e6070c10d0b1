"""The auth functions of the settings, and the settings for their transactions."""

from collections.abc import Mapping

import asyncpg

from app.auth.functions import AuthFunctions
from app.catalogue import Catalogue, Entry
from app.settings import Settings


def auth_functions(settings: Settings, database: "asyncpg.Pool[asyncpg.Record]") -> AuthFunctions:
    return AuthFunctions(
        database,
        schema=settings.auth_schema,
        anon_role=settings.anon_role,
        settings=function_settings(settings),
    )


def listed_functions(settings: Settings, catalogue: Catalogue) -> Mapping[str, Entry]:
    """The functions in the settings, by name."""
    return catalogue.listed(
        settings.auth_functions,
        settings.account_functions,
        refresh=settings.refresh_function,
        check_secrets=settings.password_functions,
    )


def sign_in_functions(functions: Mapping[str, Entry]) -> frozenset[str]:
    """The names of the functions that check a password and need no session."""
    return frozenset(
        name
        for name, entry in functions.items()
        if entry.family.checks_secret and not entry.needs_session and not entry.renews
    )


def function_settings(settings: Settings) -> dict[str, str]:
    """Settings for the transactions of auth functions; no other transaction has them."""
    ring = settings.jwt_ring
    secret, is_base64 = ring.for_sql
    return {
        "app.settings.jwt_secret": secret,
        "app.settings.jwt_secret_is_base64": str(is_base64).lower(),
        "app.settings.jwt_audience": settings.jwt_audience or "",
        "app.settings.access_cookie": settings.access_cookie,
        "app.settings.refresh_cookie": settings.refresh_cookie,
        # The names that the known recipes use
        "pgrst.jwt_secret": ring.for_recipes,
        "app.jwt_secret": ring.for_recipes,
    }
