"""Functions that make tokens without a proof, and secrets in the source of a function.

A function counts as making tokens by its name, its calls and the settings that it reads. Functions that take
a proof (a password, a code, the refresh cookie) and those of the settings may make them.
"""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor import sources
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.functions import Function
from app.diagnostics.doctor.scope import Scope
from app.diagnostics.doctor.secrets import is_secret
from app.diagnostics.doctor.sources import Source

TOKENS_FOR_ALL: Final = Rule(
    "PD204",
    Severity.DANGER,
    "Clients may call a function that makes tokens and checks no proof of who they are.",
    "A client that calls it can sign in as any user, with any role.",
    "Revoke it: clients should call only functions that check a password or a refresh token.",
)
SECRET_IN_SOURCE: Final = Rule(
    "PD103",
    Severity.DANGER,
    "The source of a function contains the JWT secret.",
    "Every role can read the source of every function, and dumps contain it. With the secret, a client can "
    "sign a token for any user and role.",
    "Let the function read current_setting('app.settings.jwt_secret'), which the gateway sets for each "
    "call, and then change the secret: `postgate secret rotate`.",
)

NO_EXPIRY: Final = Rule(
    "PD205",
    Severity.WARNING,
    "A function signs tokens without `exp`.",
    "PostgREST accepts such a token without end, also after signing out. The gateway rejects it, so users "
    "are rejected as soon as they have signed in.",
    "Add the claim, in seconds: `'exp', extract(epoch from now())::integer + 600`.",
)

_Source = TypeVar("_Source", bound=Source)

_VERBS: Final = "sign|mint|issue|generate|gen|create|make|encode|build|new"
_NAMED_LIKE_IT: Final = re.compile(
    rf"(?:{_VERBS})_(?:\w+_)?(?:jwts?|tokens?)(?:_\w+)?|(?:jwt|token)_(?:{_VERBS})|sign|mint|sign_raw"
).fullmatch
_SIGNS: Final = frozenset({"hmac", "jwt_encode", "jwt_sign", "sign", "sign_jwt", "sign_raw"})
_SPEAKS_OF_TOKENS: Final = re.compile(r"(?<!request\.)jwt|access_token|\bHS256\b", re.IGNORECASE).search
_SAYS_EXP: Final = re.compile(r"\bexp\b", re.IGNORECASE).search
_SAYS_ROLE: Final = re.compile(r"\brole\b", re.IGNORECASE).search
_CHECKS_PASSWORD: Final = frozenset(
    {"crypt", "bcrypt", "password_matches", "check_password", "verify_password"}
)
_READS_COOKIE: Final = re.compile(r"request\.(?:cookie|header\.cookie)", re.IGNORECASE).search
_PROOF: Final = re.compile(
    r"(?:^|_)(?:pass|password|passwd|pwd|pw|secret|key|otp|pin|code|token|ticket)(?:_|$)"
).search


def judge(functions: Sequence[Function], scope: Scope) -> list[Finding]:
    makers = _makers(functions)
    findings = []
    for function in functions:
        callers = scope.granted(function.callers, function.grantees, function.owner)
        is_reachable = function.schema in scope.watched and bool(callers)
        if not is_reachable or function not in makers or function.is_called_by_gateway(scope):
            continue
        grants = scope.grants(callers, function.grantees)
        findings.append(
            TOKENS_FOR_ALL.broken(
                function.where,
                detail=f"It may be called by {', '.join(map(sql_name, callers))}.",
                sql=f"revoke execute on {function.where} from {grants};" if grants else "",
                fix="" if grants else "Drop it: a role of clients owns it, and an owner may always call it.",
            )
        )
    return findings


def judge_lifetimes(functions: Sequence[Function], scope: Scope) -> list[Finding]:
    """Functions that sign a role without `exp`: neither they, nor their callers or callees, name it."""
    called = {function: sources.calls(function.source) for function in functions}
    texts = {function: sources.code(function.source) for function in functions}
    lasting = {function for function in functions if _SAYS_EXP(texts[function])}
    calling = spread(lasting, called, barred=())  # callees have it
    findings = []
    for function in functions:
        is_signer = not _SIGNS.isdisjoint(called[function]) and _SAYS_ROLE(texts[function]) is not None
        if function.schema not in scope.watched or not is_signer or function in calling:
            continue
        if spread({function}, called, barred=()).isdisjoint(lasting):  # callers have none
            findings.append(NO_EXPIRY.broken(function.where))
    return findings


def judge_sources(functions: Iterable[Function], secrets: Collection[str]) -> list[Finding]:
    """`secrets`: the texts in which the gateway's secret may be written."""
    return [
        SECRET_IN_SOURCE.broken(function.where)
        for function in functions
        if any(secret in function.source for secret in secrets)
    ]


def _makers(functions: Sequence[Function]) -> set[Function]:
    """The functions that make tokens, directly or by a call, except through one that checks a proof."""
    called = {function: sources.calls(function.source) for function in functions}
    proving = {function for function in functions if checks_proof(function, called[function])}
    proving = spread(proving, called, barred=())
    proving |= {function for function in functions if any(map(_PROOF, function.arguments))}
    making = {function for function in functions if makes_tokens(function, called[function])}
    return spread(making - proving, called, barred=proving)


def spread(
    known: set[_Source], called: Mapping[_Source, frozenset[str]], *, barred: Collection[_Source]
) -> set[_Source]:
    """The functions and all their direct and indirect callers, except through the barred ones."""
    while True:
        names = {function.name.lower() for function in known}
        found = {function for function in called if called[function] & names} - known - set(barred)
        if not found:
            return known
        known = known | found


def makes_tokens(function: Source, called: frozenset[str]) -> bool:
    """Whether a function that calls these makes a token itself."""
    if function.is_trigger:
        return False
    if any(map(is_secret, sources.settings(function.source))):
        return True
    is_signer = _NAMED_LIKE_IT(function.name.lower()) is not None or not _SIGNS.isdisjoint(called)
    return is_signer and _SPEAKS_OF_TOKENS(function.name + " " + sources.code(function.source)) is not None


def checks_proof(function: Source, called: frozenset[str]) -> bool:
    """Whether a function that calls these checks a password, or reads a cookie."""
    return not _CHECKS_PASSWORD.isdisjoint(called) or _READS_COOKIE(sources.code(function.source)) is not None
