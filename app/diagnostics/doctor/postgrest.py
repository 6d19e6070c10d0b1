"""PostgREST's exposed schemas, accepted tokens and clock, read from its responses."""

import re
from dataclasses import dataclass
from typing import Final

from app.diagnostics.check import agreement, upstream
from app.diagnostics.check.upstream import PostgrestUnreachable, Response, Responses
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.reach import NOT_CHECKED, UNREACHABLE
from app.diagnostics.doctor.server import judge_clock
from app.settings import Settings, variable

DISAGREEMENT: Final = Rule(
    "PD104",
    Severity.DANGER,
    "PostgREST and the gateway do not accept the same tokens.",
    "Either no user gets in, or PostgREST accepts tokens of another signer. A server that accepts any token "
    "accepts a forged one.",
    "Give PGRST_JWT_SECRET what `postgate secret public` prints, or the shared secret of the gateway.",
)

_NOT_EXPOSED: Final = "PGRST106"
# PostgREST 12 has the list in the message, 13 and later in the hint
_LIST: Final = re.compile(r"schemas? (?:must be one of the following|are exposed): (.+)", re.DOTALL).search


@dataclass(frozen=True, slots=True)
class Seen:
    """`exposed` is None if PostgREST does not list its schemas."""

    findings: list[Finding]
    exposed: tuple[str, ...] | None = None


async def visit(settings: Settings) -> Seen:
    try:
        responses = await upstream.look(settings, ())
        listing = await upstream.request_exposed(settings)
    except PostgrestUnreachable as error:
        fix = f"Start it, or correct {variable('postgrest_url')}."
        return Seen([UNREACHABLE.broken("PostgREST", detail=f"{str(error).capitalize()}.", fix=fix)])
    findings = _judge(responses, settings)
    exposed = _read_list(listing)
    if exposed is None:
        findings.append(
            NOT_CHECKED.broken(
                "the schemas that PostgREST exposes",
                detail="PostgREST does not list them; all schemas that clients may use count as exposed.",
                fix="Run this again when PostgREST accepts the gateway's tokens.",
            )
        )
    return Seen(findings, exposed)


def _judge(responses: Responses, settings: Settings) -> list[Finding]:
    findings = [
        DISAGREEMENT.broken("PostgREST", detail=finding.text, fix=finding.fix)
        for finding in agreement.judge_secret(responses, settings)
    ]
    if responses.own.date is not None:
        findings += judge_clock("PostgREST", responses.own.date - responses.own_at)
    return findings


def _read_list(response: Response) -> tuple[str, ...] | None:
    if response.code != _NOT_EXPOSED:
        return None
    found = _LIST(response.message) or _LIST(response.hint)
    return tuple(name.strip() for name in found[1].split(",")) if found else None
