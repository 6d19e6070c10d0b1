"""The verbs around a database and its servers: bring the SQL up to date, see whether all fits together."""

from collections.abc import Sequence
from typing import Annotated

import typer

from app.diagnostics.check import Finding, Level, run_checks
from app.diagnostics.check.findings import problem
from app.network import run
from app.operator.migrations import Migration, migrate, pending
from app.settings import SettingsInvalid, load_owner_url, load_settings

app = typer.Typer()

_LEVEL_WIDTH = max(len(level) for level in Level) + 2


@app.command("migrate")
def _migrate(
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: list what is to come, and exit with 1 if any.")
    ] = False,
) -> None:
    """Bring the SQL in the database up to date.

    It makes the schemas auth and auth_private with tables and functions, and the roles they need. All that is
    due is applied in one transaction, or nothing; two runs at the same time do no harm.

    Needs POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's), and no other
    setting: a role that may create roles and schemas.

    \b
    Examples:
      POSTGATE_OWNER_DATABASE_URL=postgresql://postgres:...@127.0.0.1/app postgate migrate
      postgate migrate --check

    Exit status: 0 if the database is up to date, 1 if not.
    """  # noqa: D301
    url = load_owner_url()
    if check:
        outstanding = run(pending(url))
        for migration in outstanding:
            typer.echo(f"to come: {migration.name}")
        if outstanding:
            raise typer.Exit(1)
    else:
        run(migrate(url, on_applied=_tell))
    typer.echo("The database is up to date.")


def _tell(migration: Migration) -> None:
    typer.echo(f"applied: {migration.name}")


@app.command("check")
def _check() -> None:
    """See whether everything fits together; whether it is safe, `postgate doctor` finds out.

    Says what is wrong, all at once, and what to do about it; changes nothing. Looks at the settings, both
    logins of the database, the auth functions and their grants, migrations to come, PostgREST, the secret
    that all three must share, the clocks, and this process's limit of files. Needs the settings of
    `postgate serve`, and is best run where the gateway runs. POSTGATE_OWNER_DATABASE_URL is optional:
    without it, migrations and signing in SQL are not checked.

    \b
    Example:
      postgate check

    Exit status: 0 if there is no problem (warnings do not count), 1 if there is one.
    """  # noqa: D301
    try:
        findings = run(run_checks(load_settings()))
    except SettingsInvalid as invalid:
        findings = [problem(sentence, "") for sentence in invalid.problems]
    for finding in findings:
        typer.echo(_entry(finding))
    typer.echo(_summary(findings))
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


def _entry(finding: Finding) -> str:
    entry = finding.level.ljust(_LEVEL_WIDTH) + finding.text
    return f"{entry}\n{' ' * _LEVEL_WIDTH}-> {finding.fix}" if finding.fix else entry


def _summary(findings: Sequence[Finding]) -> str:
    return ", ".join(
        f"{count} {level}{'' if count == 1 else 's'}"
        for level in (Level.PROBLEM, Level.WARNING)
        for count in [sum(finding.level is level for finding in findings)]
    )
