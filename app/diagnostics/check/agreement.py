"""Whether gateway and PostgREST mean the same: judged from PostgREST's answers alone.

The codes are PostgREST's own, from 12 to 16; 12 says PGRST301 for all that is wrong with a token, later
ones PGRST303 for its claims, so the reason is read from the message.
"""

import re
from collections.abc import Sequence
from typing import Final

from app.diagnostics.check.findings import Finding, judge_clock, not_checked, ok, problem, sql_name, warning
from app.diagnostics.check.grantable import UNKNOWN, Known
from app.diagnostics.check.upstream import Response, Responses
from app.settings import Settings, variable

_UNCONFIGURED: Final = "PGRST300"
_ANONYMOUS_REFUSED: Final = "PGRST302"
_SCHEMA_NOT_EXPOSED: Final = "PGRST106"
_NO_DATABASE: Final = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003"})
_PLAIN_CLAIM: Final = re.compile(r"[A-Za-z_$@][\w$@]*").fullmatch
_NO_SUCH_ROLE: Final = "22023"
_ROLE_DENIED: Final = "42501"
_LOOK_AT_ITS_LOG: Final = "Look into PostgREST's log, and set PGRST_DB_URI right."


def judge(responses: Responses, settings: Settings, known: Known = UNKNOWN) -> list[Finding]:
    own = responses.own
    clock = [] if own.date is None else judge_clock("PostgREST", own.date - responses.own_at)
    if disagreement := judge_secret(responses, settings):
        return [*disagreement, *clock]
    findings = [
        ok("PostgREST accepts the gateway's tokens, and refuses those of another secret."),
        *_judge_later_keys(responses.later_keys),
    ]
    if own.code in _NO_DATABASE:
        findings.append(problem("PostgREST cannot reach its database.", _LOOK_AT_ITS_LOG))
    else:
        findings += [
            *_judge_roles(responses, settings.anon_role, known),
            *_judge_role_claim(responses, settings.role_claim),
            *_judge_exposure(responses, settings.auth_schema),
            *_judge_anonymous(responses.anonymous, settings),
        ]
    return findings + clock


def judge_secret(responses: Responses, settings: Settings) -> list[Finding]:
    """Whether PostgREST accepts tokens of the gateway's secret, and of no other: nothing if so."""
    own = responses.own
    if own.code == _UNCONFIGURED:
        return [problem("PostgREST has no JWT secret.", _same_secret(settings))]
    if own.refuses_token:
        return [_judge_refusal(responses, settings)]
    if not responses.foreign.refuses_token:
        return [_judge_trust_in_anybody(own, settings)]
    if not all(response.refuses_token for response in responses.samples):
        return [
            problem(
                "PostgREST accepts tokens that are signed with a secret out of a manual.",
                f"Make another with `postgate secret new`, and give it to {variable('jwt_secret')} and to "
                "PGRST_JWT_SECRET in the place of what they have.",
            )
        ]
    return []


def _same_secret(settings: Settings) -> str:
    secret = variable("jwt_secret")
    if settings.jwt_ring.is_jwk and not settings.jwt_ring.is_base64:
        return f"Give PGRST_JWT_SECRET the value of {secret}, and set PGRST_JWT_SECRET_IS_BASE64=false."
    return (
        f"Give PGRST_JWT_SECRET and PGRST_JWT_SECRET_IS_BASE64 the values of {secret} and {secret}_IS_BASE64."
    )


def _judge_later_keys(responses: Sequence[Response]) -> list[Finding]:
    refused = [str(number) for number, response in enumerate(responses, start=2) if response.refuses_token]
    if not refused:
        return []
    return [
        warning(
            f"PostgREST refuses tokens of the gateway's key number {', '.join(refused)}: sessions that have "
            "one are cut short.",
            "If their time is over, drop them: `postgate secret rotate --drop-old`. "
            "If not, give PostgREST the same set.",
        )
    ]


def _judge_refusal(responses: Responses, settings: Settings) -> Finding:
    message = responses.own.message.lower()
    if "expired" in message or "future" in message or "yet" in message:
        return problem(
            "PostgREST refuses the gateway's tokens for their time.",
            "Synchronize the clocks of all machines (NTP).",
        )
    if "audience" in message:
        return problem(
            "PostgREST expects its tokens for another audience.",
            f"Give PGRST_JWT_AUD and {variable('jwt_audience')} the same value.",
        )
    if not all(response.refuses_token for response in responses.later_keys):
        return problem(
            "PostgREST does not know the gateway's first key, which signs, but another one of its set.",
            "Let PostgREST read its secret again: with a restart, or, if PGRST_JWT_SECRET names a file (`@` "
            "in front), by the statement `notify pgrst, 'reload config';` in its database.",
        )
    if not responses.other_reading.refuses_token:
        return problem(
            "Gateway and PostgREST have the same JWT secret, but one reads it as base64, the other as text.",
            f"Give {variable('jwt_secret_is_base64')} and PGRST_JWT_SECRET_IS_BASE64 the same value.",
        )
    return problem("PostgREST has another JWT secret than the gateway.", _same_secret(settings))


def _judge_trust_in_anybody(own: Response, settings: Settings) -> Finding:
    if "postgrest" not in own.server.lower():
        return problem(
            "What answers as PostgREST is another server, or one that checks no tokens.",
            f"Name PostgREST's own address in {variable('postgrest_url')}.",
        )
    return problem("PostgREST accepts tokens that anybody signed.", _same_secret(settings))


def _judge_roles(responses: Responses, anon_role: str, known: Known) -> list[Finding]:
    refused = [
        role
        for role, response in {anon_role: responses.own, **responses.roles}.items()
        if response.code == _NO_SUCH_ROLE
        or (response.code == _ROLE_DENIED and "set role" in response.message)
    ]
    if not refused:
        return []
    names = ", ".join(map(sql_name, refused))
    fix = (
        f"grant {names} to {sql_name(known.postgrest)};"
        if known.postgrest and known.for_clients.issuperset(refused)
        else "Grant those that are meant for clients to the login in PGRST_DB_URI, or give their users "
        "others: not a role that is missing, can log in, is a superuser or an owner, or may become one."
    )
    return [problem(f"PostgREST's login may not become these roles of clients: {names}.", fix)]


def _judge_role_claim(responses: Responses, claim: str) -> list[Finding]:
    if responses.unknown_role.code == _NO_SUCH_ROLE:
        return [ok("PostgREST reads the role from the same claim as the gateway.")]
    if responses.own.is_good and responses.unknown_role.is_good:
        return [
            problem(
                "PostgREST reads the role from another claim than the gateway: everybody is anonymous.",
                f"Set PGRST_JWT_ROLE_CLAIM_KEY to `{_path_of(claim)}`, which is what "
                f"{variable('role_claim')} says.",
            )
        ]
    return [not_checked("Whether PostgREST reads the role from the same claim: its root does not answer.")]


def _path_of(claim: str) -> str:
    """As PostgREST reads it (its documentation: JWT Role Extraction)."""
    return f".{claim}" if _PLAIN_CLAIM(claim) else f'."{claim}"'


def _judge_exposure(responses: Responses, schema: str) -> list[Finding]:
    if responses.auth_schema.is_good:
        name = sql_name(schema)
        return [
            warning(
                f"PostgREST exposes the schema {name}: what is granted in it can be called past the gateway.",
                f"Take {name} out of PGRST_DB_SCHEMAS, which then has to list the schema of your API: the "
                "gateway calls the functions itself.",
            )
        ]
    if responses.auth_schema.code == _SCHEMA_NOT_EXPOSED:
        return [ok(f"PostgREST does not expose the schema {sql_name(schema)}.")]
    return []


def _judge_anonymous(anonymous: Response, settings: Settings) -> list[Finding]:
    if anonymous.code != _ANONYMOUS_REFUSED:
        return []
    role = settings.anon_role
    if settings.anonymous == "allow":
        return [
            problem(
                "PostgREST refuses requests without a token, which the gateway would send it.",
                f"Set {variable('anonymous')}=deny. If strangers are to do what {sql_name(role)} may do, set "
                f"PGRST_DB_ANON_ROLE={role} instead.",
            )
        ]
    return [
        warning(
            "PostgREST refuses requests without a token: GET /rest/ needs a session.",
            "Leave it so, unless everybody is to read the description of the API: then set "
            f"PGRST_DB_ANON_ROLE={role}.",
        )
    ]
