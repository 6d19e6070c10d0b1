"""Whether gateway and PostgREST agree, judged from PostgREST's responses alone.

The error codes are those of PostgREST 12 to 16. PostgREST 12 uses PGRST301 for every token error, later
versions use PGRST303 for claims, so the reason is read from the message.
"""

from collections.abc import Sequence
from typing import Final

from app.core.tokens.role_claim import read_role_claim
from app.diagnostics.check.findings import Finding, judge_clock, not_checked, ok, problem, sql_name, warning
from app.diagnostics.check.grantable import UNKNOWN, Known
from app.diagnostics.check.upstream import _NO_SUCH_ROLE_NAME, Response, Responses
from app.settings import Settings, variable

_UNCONFIGURED: Final = "PGRST300"
_ANONYMOUS_REJECTED: Final = "PGRST302"
_SCHEMA_NOT_EXPOSED: Final = "PGRST106"
_NO_DATABASE: Final = frozenset({"PGRST000", "PGRST001", "PGRST002", "PGRST003"})
_NO_SUCH_ROLE: Final = "22023"
_ROLE_DENIED: Final = "42501"
_LOOK_AT_ITS_LOG: Final = "Read PostgREST's log, and correct PGRST_DB_URI."


def judge(responses: Responses, settings: Settings, known: Known = UNKNOWN) -> list[Finding]:
    own = responses.own
    clock = [] if own.date is None else judge_clock("PostgREST", own.date - responses.own_at)
    if disagreement := judge_secret(responses, settings):
        return [*disagreement, *clock]
    findings = [
        ok("PostgREST accepts the gateway's tokens, and rejects those of another secret."),
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
    """Whether PostgREST accepts tokens of the gateway's secret, and of no other. Empty if so."""
    own = responses.own
    if own.code == _UNCONFIGURED:
        return [problem("PostgREST has no JWT secret.", _same_secret(settings))]
    if own.rejects_token:
        return [_judge_rejection(responses, settings)]
    if not responses.foreign.rejects_token:
        return [_judge_foreign_signer(own, settings)]
    if not all(response.rejects_token for response in responses.samples):
        return [
            problem(
                "PostgREST accepts tokens that are signed with a sample secret from a manual.",
                f"Make a new secret with `postgate secret new`, and set {variable('jwt_secret')} and "
                "PGRST_JWT_SECRET to it.",
            )
        ]
    return []


def _same_secret(settings: Settings) -> str:
    secret = variable("jwt_secret")
    if not settings.jwt_ring.signing.is_symmetric:
        return (
            "Give PGRST_JWT_SECRET what `postgate secret public` prints, and set "
            "PGRST_JWT_SECRET_IS_BASE64=false."
        )
    if settings.jwt_ring.is_jwk and not settings.jwt_ring.is_base64:
        return f"Give PGRST_JWT_SECRET the value of {secret}, and set PGRST_JWT_SECRET_IS_BASE64=false."
    return (
        f"Give PGRST_JWT_SECRET and PGRST_JWT_SECRET_IS_BASE64 the values of {secret} and {secret}_IS_BASE64."
    )


def _judge_later_keys(responses: Sequence[Response]) -> list[Finding]:
    rejected = [str(number) for number, response in enumerate(responses, start=2) if response.rejects_token]
    if not rejected:
        return []
    return [
        warning(
            f"PostgREST rejects tokens of the gateway's key number {', '.join(rejected)}: requests with such "
            "a token fail.",
            "If every token of these keys has expired, drop them: `postgate secret rotate --drop-old`. If "
            "not, give PostgREST the same set.",
        )
    ]


def _judge_rejection(responses: Responses, settings: Settings) -> Finding:
    message = responses.own.message.lower()
    if "expired" in message or "future" in message or "yet" in message:
        return problem(
            "PostgREST rejects the times in the gateway's tokens.",
            "Synchronize the clocks of all machines (NTP).",
        )
    if "audience" in message:
        return problem(
            "PostgREST expects another audience in tokens.",
            f"Give PGRST_JWT_AUD and {variable('jwt_audience')} the same value.",
        )
    if not all(response.rejects_token for response in responses.later_keys):
        return problem(
            "PostgREST does not have the gateway's first key, which signs, but has another key of its set.",
            "Let PostgREST read its secret again: restart it or, if PGRST_JWT_SECRET names a file (`@` in "
            "front), run `notify pgrst, 'reload config';` in its database.",
        )
    if not responses.other_reading.rejects_token:
        return problem(
            "Gateway and PostgREST have the same JWT secret, but one reads it as base64, the other as text.",
            f"Give {variable('jwt_secret_is_base64')} and PGRST_JWT_SECRET_IS_BASE64 the same value.",
        )
    return problem("PostgREST has another JWT secret than the gateway.", _same_secret(settings))


def _judge_foreign_signer(own: Response, settings: Settings) -> Finding:
    if "postgrest" not in own.server.lower():
        return problem(
            "The server at PostgREST's address is not PostgREST, or checks no tokens.",
            f"Set {variable('postgrest_url')} to PostgREST's own address.",
        )
    return problem("PostgREST accepts tokens of any signer.", _same_secret(settings))


def _judge_roles(responses: Responses, anon_role: str, known: Known) -> list[Finding]:
    rejected = [
        role
        for role, response in {anon_role: responses.own, **responses.roles}.items()
        if response.code == _NO_SUCH_ROLE
        or (response.code == _ROLE_DENIED and "set role" in response.message)
    ]
    if not rejected:
        return []
    names = ", ".join(map(sql_name, rejected))
    fix = (
        f"grant {names} to {sql_name(known.postgrest)};"
        if known.postgrest and known.for_clients.issuperset(rejected)
        else (
            "Grant those that are meant for clients to the login in PGRST_DB_URI, or give their users other "
            "roles. A role of clients exists, cannot log in, and neither is nor may become a superuser or "
            "an owner."
        )
    )
    return [problem(f"PostgREST's login may not become these roles of clients: {names}.", fix)]


def _judge_role_claim(responses: Responses, claim: str) -> list[Finding]:
    try:
        read_role_claim(claim).place(_NO_SUCH_ROLE_NAME)
    except ValueError:
        return [not_checked("Whether PostgREST reads the role from the same claim: its filter is narrow.")]
    if responses.unknown_role.code == _NO_SUCH_ROLE:
        return [ok("PostgREST reads the role from the same claim as the gateway.")]
    if responses.own.is_success and responses.unknown_role.is_success:
        return [
            problem(
                "PostgREST reads the role from another claim than the gateway: every user is anonymous.",
                f"Set PGRST_JWT_ROLE_CLAIM_KEY to `{read_role_claim(claim).describe()}`, the claim in "
                f"{variable('role_claim')}.",
            )
        ]
    return [
        not_checked("Whether PostgREST reads the role from the same claim: a request for its root fails.")
    ]


def _judge_exposure(responses: Responses, schema: str) -> list[Finding]:
    if responses.auth_schema.is_success:
        name = sql_name(schema)
        return [
            warning(
                f"PostgREST exposes the schema {name}: clients can call its functions without the gateway.",
                f"Remove {name} from PGRST_DB_SCHEMAS, and list the schema of your API there: the gateway "
                f"calls the functions of {name} itself.",
            )
        ]
    if responses.auth_schema.code == _SCHEMA_NOT_EXPOSED:
        return [ok(f"PostgREST does not expose the schema {sql_name(schema)}.")]
    return []


def _judge_anonymous(anonymous: Response, settings: Settings) -> list[Finding]:
    if anonymous.code != _ANONYMOUS_REJECTED:
        return []
    role = settings.anon_role
    if settings.anonymous == "allow":
        return [
            problem(
                "PostgREST rejects requests without a token, which the gateway would relay.",
                f"Set {variable('anonymous')}=deny. If clients without a session should have the rights of "
                f"{sql_name(role)}, set PGRST_DB_ANON_ROLE={role} instead.",
            )
        ]
    return [
        warning(
            "PostgREST rejects requests without a token: GET /rest/ needs a session.",
            "If clients without a session should read the description of the API, set "
            f"PGRST_DB_ANON_ROLE={role}.",
        )
    ]
