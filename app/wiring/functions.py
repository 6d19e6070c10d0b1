"""The auth functions of the settings, and the settings for their transactions."""

import base64
import secrets
import time
from collections.abc import Callable, Mapping

import asyncpg

from app.auth.adoption import Adoption
from app.auth.functions import AuthFunctions
from app.auth.json_members import Path, read_path
from app.auth.reminting import with_tokens_replaced
from app.auth.replies import Reply
from app.auth.token_sign_ins import TokenRules, TokenSignIns
from app.catalogue import Catalogue, Entry, plain_name
from app.core.one_time_codes import code_keys
from app.core.tokens.sql_tokens import SqlTokens, sql_keys
from app.core.tokens.verify import TokenVerifier
from app.settings import MIN_SECRET_BYTES, Settings


def new_sql_secret() -> str:
    """A secret for SQL to sign with, in base64. It is good within this process alone."""
    return base64.b64encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode()


def auth_functions(
    settings: Settings, database: "asyncpg.Pool[asyncpg.Record]", verifier: TokenVerifier, sql_secret: str
) -> AuthFunctions:
    return AuthFunctions(
        database,
        schema=settings.auth_schema,
        anon_role=settings.anon_role,
        settings=function_settings(settings, sql_secret),
        finish=reminting(settings, verifier, sql_secret),
        pre_request=settings.pre_request or "",
    )


def adopting_functions(
    settings: Settings, database: "asyncpg.Pool[asyncpg.Record]", verifier: TokenVerifier, sql_secret: str
) -> AuthFunctions:
    """The functions that the gateway's own login may call, and no client."""
    return AuthFunctions(
        database,
        schema=settings.auth_schema,
        anon_role="none",
        settings=function_settings(settings, sql_secret),
        finish=reminting(settings, verifier, sql_secret),
    )


def token_rules(settings: Settings, verifier: TokenVerifier) -> TokenRules:
    return TokenRules(
        members=_members(settings),
        body=settings.token_body,
        access_cookie=settings.access_cookie.encode(),
        refresh_cookie=settings.refresh_cookie.encode(),
        signing=settings.jwt_ring.signing,
        verifier=verifier,
    )


def token_sign_ins(
    settings: Settings,
    listed: Mapping[str, Entry],
    verifier: TokenVerifier,
    functions: AuthFunctions,
    adopting: AuthFunctions,
) -> TokenSignIns:
    """Calls auth functions; the token in a reply of a public one is a sign-in or a renewal."""
    public = {name for name, entry in listed.items() if not entry.needs_session}
    refresh = plain_name(settings.refresh_function)
    return TokenSignIns(
        functions.call,
        token_rules(settings, verifier),
        functions=public | {refresh},
        adopted=public - {refresh},
        adopt=Adoption(adopting, time.monotonic).adopt,
    )


def _members(settings: Settings) -> list[Path]:
    return [read_path(text) for text in settings.token_members]


def reminting(settings: Settings, verifier: TokenVerifier, sql_secret: str) -> Callable[[Reply], Reply]:
    """Replaces the tokens that SQL signed with the process's secret by tokens of the gateway."""
    tokens = SqlTokens(sql_keys(sql_secret), settings.jwt_ring.signing, verifier)

    def replaced(token: bytes) -> bytes:
        return tokens.replaced(token, time.time(), secrets.token_urlsafe(16))

    members = _members(settings)
    return lambda reply: with_tokens_replaced(reply, members, replaced)


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


def function_settings(settings: Settings, sql_secret: str) -> dict[str, str]:
    """Settings for the transactions of auth functions; no other transaction has them.

    SQL gets the signing key only if that is a shared secret, and else `sql_secret`.
    """
    ring = settings.jwt_ring
    (secret, is_base64), for_recipes = (sql_secret, True), sql_secret
    if ring.signing.is_symmetric:
        (secret, is_base64), for_recipes = ring.for_sql, ring.for_recipes
    return {
        "app.settings.jwt_secret": secret,
        "app.settings.jwt_secret_is_base64": str(is_base64).lower(),
        "app.settings.jwt_audience": settings.jwt_audience or "",
        "app.settings.code_keys": ",".join(key.hex() for key in code_keys(ring.code_secrets)),
        "app.settings.access_cookie": settings.access_cookie,
        "app.settings.refresh_cookie": settings.refresh_cookie,
        # The names that the known recipes use
        "pgrst.jwt_secret": for_recipes,
        "app.jwt_secret": for_recipes,
    }
