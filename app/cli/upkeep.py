"""The verbs `migrate` and `check`."""

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from app.diagnostics.check import Finding, Level, check_token, run_checks
from app.diagnostics.check.findings import problem
from app.diagnostics.suggest.missing import missing
from app.network import run
from app.operator.migrations import Migration, migrate, pending
from app.operator.taking_over import OLD_SCHEMA, TakenOver, take_over
from app.settings import Settings, SettingsInvalid, load_anon_role, load_owner_url, load_settings

app = typer.Typer()

_STDIN = "-"
_TOKEN_CHARACTERS = 100_000
_LEVEL_WIDTH = max(len(level) for level in Level) + 2


@app.command("migrate")
def _migrate(
    *,
    check: Annotated[
        bool,
        typer.Option(
            "--check", help="Change nothing: list pending migrations, and exit with 1 if there are any."
        ),
    ] = False,
    take: Annotated[
        bool,
        typer.Option(
            "--take-over",
            help="Also move the users of a known recipe's table, with their hashes, into auth.user.",
        ),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="With --take-over: do all of it, say what was done, and roll back."),
    ] = False,
) -> None:
    """Bring the SQL in the database up to date.

    Creates the schemas auth and auth_private with their tables, functions and roles. All pending migrations
    are applied in one transaction, or none; two runs at the same time are safe. It looks first: if objects of
    yours have the names of Postgate's SQL, it names them and changes nothing.

    The role in POSTGATE_ANON_ROLE gets the rights of `anon`, if it is another one.

    --take-over recognises the tables auth.user (username, password, role), auth.users (email, password_hash,
    role) and basic_auth.users (email, pass, role). If the table is in the schema auth, that schema is renamed
    to auth_old. Migrations and users are one transaction. All users must sign in again.

    Needs only POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's login). The login
    must have the right to create roles and schemas.

    \b
    Examples:
      POSTGATE_OWNER_DATABASE_URL=postgresql://postgres:...@127.0.0.1/app postgate migrate
      postgate migrate --check
      postgate migrate --take-over --dry-run

    Exit status: 0 if the database is up to date, 1 if not.
    """  # noqa: D301
    url = load_owner_url()
    if (dry_run and not take) or (check and take):
        raise typer.BadParameter("--dry-run needs --take-over, and --check does not go with it")
    if take:
        _report(run(take_over(url, anon_role=load_anon_role(), dry_run=dry_run)), is_dry=dry_run)
        return
    if check:
        outstanding = run(pending(url))
        for migration in outstanding:
            typer.echo(f"pending: {migration.name}")
        if outstanding:
            raise typer.Exit(1)
    else:
        run(migrate(url, on_applied=_print_applied, anon_role=load_anon_role()))
    typer.echo("The database is up to date.")


def _report(done: TakenOver, *, is_dry: bool) -> None:
    if done.is_renamed:
        typer.echo(f"renamed: schema auth to {OLD_SCHEMA}")
    for migration in done.applied:
        _print_applied(migration)
    typer.echo(f"moved: {done.users} user{'' if done.users == 1 else 's'} of {done.table} to auth.user")
    typer.echo("This was a dry run: nothing was changed." if is_dry else "The database is up to date.")


def _print_applied(migration: Migration) -> None:
    typer.echo(f"applied: {migration.name}")


@app.command("check")
def _check(
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            help="Say of this access token alone what each party thinks of it, and why; `-` reads it from "
            "standard input.",
        ),
    ] = None,
) -> None:
    """Check whether gateway, database and PostgREST fit together.

    Reports all problems at once, each with a fix; changes nothing. Checks the settings, both logins of the
    database, the auth functions and their grants, pending migrations, PostgREST, the shared secret, the
    clocks, the SMTP server with the templates of mails, this process's limit of files, and whether the
    settings name the login functions of the database (`postgate suggest`). `postgate doctor` checks whether
    they are secure. Needs the settings of `postgate serve`; run it where the gateway runs.
    POSTGATE_OWNER_DATABASE_URL is optional: without it, migrations and signing in SQL are not checked.

    With --token, only the settings and PostgREST are needed. The token is not shown, and goes to PostgREST
    alone.

    \b
    Examples:
      postgate check
      postgate check --token - < token.txt

    Exit status: 0 if there is no problem (warnings do not count), 1 if there is one.
    """  # noqa: D301
    try:
        settings = load_settings()
        findings = run(_check_all(settings) if token is None else check_token(settings, _read(token)))
    except SettingsInvalid as invalid:
        findings = [problem(sentence, "") for sentence in invalid.problems]
    for finding in findings:
        typer.echo(_entry(finding))
    typer.echo(_summary(findings))
    if any(finding.level is Level.PROBLEM for finding in findings):
        raise typer.Exit(1)


async def _check_all(settings: Settings) -> list[Finding]:
    return [*await run_checks(settings), *await missing(settings)]


def _read(token: str) -> str:
    return sys.stdin.read(_TOKEN_CHARACTERS) if token == _STDIN else token


def _entry(finding: Finding) -> str:
    entry = finding.level.ljust(_LEVEL_WIDTH) + finding.text
    return f"{entry}\n{' ' * _LEVEL_WIDTH}-> {finding.fix}" if finding.fix else entry


def _summary(findings: Sequence[Finding]) -> str:
    return ", ".join(
        f"{count} {level}{'' if count == 1 else 's'}"
        for level in (Level.PROBLEM, Level.WARNING)
        for count in [sum(finding.level is level for finding in findings)]
    )
