"""The verdicts of the gateway and of PostgREST on one token, with reasons. The token is never shown."""

import time
from typing import Final

from app.core.tokens.jws import split_compact
from app.diagnostics.check.findings import Finding, not_checked, ok, problem, sql_name, warning
from app.diagnostics.check.upstream import PostgrestUnreachable, Response, ask_with
from app.errors import TokenRejected
from app.settings import Settings, variable
from app.wiring.tokens import token_verifier

_WHY: Final = {
    "expired": "it has expired (exp)",
    "not yet valid": "it is not valid yet (nbf, iat)",
    "bad signature": "none of the gateway's keys made its signature",
    "alg": "none of the gateway's keys is for its algorithm (alg)",
    "audience": f"it is for another audience (aud) than {variable('jwt_audience')}",
    "exp missing": f"it has no exp; {variable('require_exp')}=false would admit it",
    "role not plain text": f"what {variable('role_claim')} finds in it is no plain text",
    "role not a role name": "its role is longer than 63 bytes or has a quotation mark",
    "role reserved": "its role is one that no client may have",
    "not a compact JWS": "it is not three parts of base64url with dots between them",
    "typ": "it is a token for another purpose (typ)",
}
_ROLE_REFUSED: Final = frozenset({"22023", "42501"})  # no such role; not granted to PostgREST's login


def judge_settings(settings: Settings) -> list[Finding]:
    """Findings about tokens that never expire."""
    if settings.require_exp:
        return []
    return [
        warning(
            "Tokens without exp are admitted: one that leaks is good until the keys change.",
            f"Sign tokens with exp, and unset {variable('require_exp')}.",
        )
    ]


async def check_token(settings: Settings, token: str) -> list[Finding]:
    """A finding for each party."""
    raw = token.strip().encode(errors="replace")
    found = [_ask_gateway(settings, raw)]
    if split_compact(raw) is None:
        return [*found, not_checked("PostgREST was not asked, because this is no token.")]
    try:
        answer = await ask_with(settings, raw.decode())
    except PostgrestUnreachable as error:
        return [*found, not_checked(f"PostgREST was not asked: {error}.")]
    return [*found, _judge(answer)]


def _ask_gateway(settings: Settings, token: bytes) -> Finding:
    now = time.time()
    try:
        verified = token_verifier(settings).verify(token, now)
    except TokenRejected as refused:
        reason = _WHY.get(refused.reason, f"it cannot be read ({refused.reason})")
        return problem(f"The gateway rejects the token: {reason}.", "")
    left = verified.expires_at - now
    until = f"for {left:.0f} s more" if left < float("inf") else "without an end: it has no exp"
    return ok(
        f"The gateway accepts the token, as role {sql_name(verified.role)}, {until}. "
        "Whether its session was revoked is not looked up."
    )


def _judge(answer: Response) -> Finding:
    said = "".join(letter for letter in f"{answer.message} ({answer.code})" if letter.isprintable())
    if answer.rejects_token:
        return problem(f"PostgREST rejects the token: {said}.", "")
    if answer.code in _ROLE_REFUSED:
        return problem(f"PostgREST accepts the token, and not its role: {said}.", "")
    if answer.code:
        return not_checked(f"PostgREST responds {said}, which says nothing about the token.")
    return ok("PostgREST accepts the token.")
