"""The command line: the verbs of `postgate`, and how they fail.

A verb reads the settings that it needs, calls one function, and prints the result. Expected errors end with a
sentence on stderr and exit status 1; a traceback is a defect.
"""

import sys
from typing import Annotated

import typer

from app.build import BUILD, PYTHON, VERSION, why_plain
from app.cli import doctor, gateway, mail, secret, session, setting, suggest, upkeep, user
from app.database import DatabaseUnreachable
from app.devstack import StackUnavailable
from app.operator.migrations import MigrationError
from app.operator.owner import OwnerRefused
from app.operator.rotation import RotationRefused
from app.settings import SettingsInvalid

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,  # they would print local variables, which may be secrets
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(gateway.app)
app.add_typer(upkeep.app)
app.add_typer(doctor.app)
app.add_typer(suggest.app)
app.add_typer(user.app, name="user")
app.add_typer(session.app, name="session")
app.add_typer(setting.app, name="setting")
app.add_typer(mail.app, name="mail")
app.add_typer(secret.app, name="secret")


def main() -> None:
    """The console script."""
    try:
        app(prog_name="postgate")
    except SettingsInvalid as invalid:
        sys.exit("\n  ".join(["The settings are invalid:", *invalid.problems]))
    except DatabaseUnreachable as unreachable:
        sys.exit(f"The database is unreachable: {unreachable}.")
    except (MigrationError, OwnerRefused, RotationRefused, StackUnavailable) as refused:
        sys.exit(str(refused))


def _print_version(wanted: bool) -> None:  # noqa: FBT001 (typer calls it with one argument)
    if wanted:
        typer.echo(f"postgate {VERSION} ({BUILD}, Python {PYTHON})")
        if reason := why_plain():
            typer.echo(f"The hot path is not compiled: {reason}.", err=True)
        raise typer.Exit


@app.callback()
def _postgate(
    *,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print version and build.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Postgate, the auth gateway for PostgREST.

    Settings come from environment variables, such as POSTGATE_DATABASE_URL and POSTGATE_JWT_SECRET.
    POSTGATE_..._FILE names a file with the value. docs/configuration.md lists all settings.

    \b
    To try it on this machine, with servers, data and accounts:
      postgate dev
    To put it before your own PostgREST:
      postgate secret new      a JWT secret for both
      postgate migrate         the SQL into your database
      postgate user add demo --role basic_subscriber
      postgate suggest         or: the settings for login functions that your database has
      postgate check           does everything fit together?
      postgate doctor          and is it safe?
      postgate serve

    Exit status: 0 if all went well, 1 if not (stderr says why), 2 if the command line is wrong.
    """  # noqa: D301 (click keeps the lines after \b as they are)
