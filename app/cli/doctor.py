"""The verb `doctor`, and its output for people and programs."""

import json
from collections.abc import Collection, Sequence
from typing import Annotated

import typer

from app.diagnostics.doctor import RULES, Finding, Severity, run_doctor
from app.diagnostics.doctor.reach import SETTING_INVALID
from app.network import run
from app.settings import SettingsInvalid, load_settings

app = typer.Typer()

_WIDTH = max(len(severity) for severity in Severity) + 2
_ACCEPTED = "accepted"
_STATUSES = {Severity.DANGER: 2, Severity.WARNING: 1}


@app.command("doctor")
def _doctor(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON array, one object a finding.")
    ] = False,
    accept: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CODE[=OBJECT]",
            help="Do not count this finding, because it is intended. May be repeated.",
        ),
    ] = None,
) -> None:
    """Check whether the configuration is secure.

    `postgate check` reports whether gateway, database and PostgREST fit together; the doctor reports whether
    they are secure. It checks secrets, functions, schemas, tables and views, roles, cookies, stored passwords
    and tokens, the server's logging, and clocks. Each finding has a code, the object, the reason and the fix,
    as SQL if possible. docs/doctor.md lists the codes. It changes nothing and shows no secret.

    Needs the settings of `postgate serve`. With POSTGATE_OWNER_DATABASE_URL, it also checks stored passwords
    and users' roles; with POSTGATE_AUTHENTICATOR_DATABASE_URL, the settings that PostgREST's login sees.

    \b
    Examples:
      postgate doctor
      postgate doctor --json --accept PD406="table api.contact"

    Exit status: 0 without warnings and dangers, 1 if there is a warning, 2 if there is a danger or if the
    command line is wrong. Accepted findings do not count.
    """  # noqa: D301
    accepted = frozenset(accept or ())
    _check_codes(accepted)
    try:
        findings = run(run_doctor(load_settings()))
    except SettingsInvalid as invalid:
        findings = [_invalid(sentence) for sentence in invalid.problems]
    counted = [finding for finding in findings if not _is_accepted(finding, accepted)]
    if as_json:
        report = [finding.as_json() | {_ACCEPTED: finding not in counted} for finding in findings]
        typer.echo(json.dumps(report, indent=2))
    else:
        for finding in findings:
            typer.echo(entry(finding, finding.severity.value if finding in counted else _ACCEPTED))
        typer.echo(_summary(counted))
    raise typer.Exit(max((_STATUSES.get(finding.severity, 0) for finding in counted), default=0))


def _invalid(problem: str) -> Finding:
    name, _, what_is_wrong = problem.partition(" ")
    return SETTING_INVALID.broken(f"setting {name}", detail=f"It {what_is_wrong}.")


def _check_codes(accepted: Collection[str]) -> None:
    for name in accepted:
        if name.partition("=")[0] not in RULES:
            raise typer.BadParameter(f"{name.partition('=')[0]} is not a code; docs/doctor.md lists them")


def _is_accepted(finding: Finding, accepted: Collection[str]) -> bool:
    return finding.rule.code in accepted or f"{finding.rule.code}={finding.where}" in accepted


def entry(finding: Finding, level: str) -> str:
    """A finding as text, with each statement on its own line, ready to be copied."""
    rule = finding.rule
    lines = [f"{rule.what} {finding.detail}".rstrip(), rule.why, f"-> {finding.fix}"]
    lines += [f"     {statement}" for statement in finding.sql.splitlines()]
    heading = f"{level.ljust(_WIDTH)}{rule.code}  {finding.where}"
    return "\n".join(_printable(line) for line in (heading, *(" " * _WIDTH + line for line in lines)))


def _printable(line: str) -> str:
    """Escapes control characters: a name in the database may contain a terminal escape sequence."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def _summary(findings: Sequence[Finding]) -> str:
    counts = [(severity, sum(finding.severity is severity for finding in findings)) for severity in Severity]
    return ", ".join(f"{count} {severity}{'' if count == 1 else 's'}" for severity, count in counts)
