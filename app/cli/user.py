"""The verbs for users. A password comes from a terminal, hidden and twice, or from standard input."""

import sys
from typing import Annotated

import typer

from app.cli.tables import minute, table
from app.network import run
from app.operator.owner import OwnerRefused
from app.operator.sessions import end_sessions_of
from app.operator.users import add_user, check_password, disable_user, enable_user, list_users, set_password
from app.settings import load_owner_url

app = typer.Typer(
    no_args_is_help=True,
    help="""Users: who may sign in.

    All of these need POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's) and no
    other setting: a superuser, or a member of auth_owner, as whoever ran `postgate migrate` is.
    """,
)

_MOST_BYTES = 4096

Username = Annotated[str, typer.Argument(help="Names are case-sensitive.")]


@app.command("add")
def _add(
    username: Username,
    role: Annotated[
        str, typer.Option(metavar="ROLE", help="The Postgres role the user acts as; it must exist.")
    ],
) -> None:
    """Make a user.

    The password is asked for twice, or is the one line of standard input if that is not a terminal: 1 to
    72 bytes. It is hashed here and never sent.

    \b
    Examples:
      postgate user add demo --role basic_subscriber
      postgate user add demo --role basic_subscriber < password.txt

    Exit status: 0 if the user is made, 1 if not.
    """  # noqa: D301
    url = load_owner_url()
    run(add_user(url, username, _read_password(), role))
    typer.echo("The user is made.")


@app.command("passwd")
def _passwd(username: Username) -> None:
    """Give a user another password.

    All sessions of the user end, and every gateway refuses their access tokens at once; PostgREST by itself
    takes them for up to ten minutes more. The password comes as in `postgate user add`.

    \b
    Example:
      postgate user passwd demo

    Exit status: 0 if the password is changed, 1 if not.
    """  # noqa: D301
    url = load_owner_url()
    run(set_password(url, username, _read_password()))
    typer.echo("The password is changed, and all sessions of the user are ended.")


@app.command("list")
def _list() -> None:
    """List all users.

    A line for each: name, role, since when, since when disabled, and id: the claim `sub`, and what the log
    calls the subject. Times are in UTC.

    \b
    Example:
      postgate user list
    """  # noqa: D301
    users = run(list_users(load_owner_url()))
    rows = [
        (user.username, user.role, minute(user.created_at), minute(user.disabled_at), str(user.id))
        for user in users
    ]
    for line in table(("USERNAME", "ROLE", "SINCE", "DISABLED", "ID"), rows):
        typer.echo(line)


@app.command("disable")
def _disable(username: Username) -> None:
    """Keep a user from signing in.

    All sessions of the user end, and every gateway refuses their access tokens at once; PostgREST by itself
    takes them for up to ten minutes more. `postgate user enable` lets the user in again.

    \b
    Example:
      postgate user disable demo

    Exit status: 0 if the user is disabled, 1 if not.
    """  # noqa: D301
    run(disable_user(load_owner_url(), username))
    typer.echo("The user is disabled, and all sessions of the user are ended.")


@app.command("enable")
def _enable(username: Username) -> None:
    """Let a disabled user sign in again.

    \b
    Example:
      postgate user enable demo

    Exit status: 0 if the user may sign in, 1 if not.
    """  # noqa: D301
    run(enable_user(load_owner_url(), username))
    typer.echo("The user may sign in.")


@app.command("logout")
def _logout(username: Username) -> None:
    """End all sessions of a user, who may sign in again.

    Every gateway refuses their access tokens at once; PostgREST by itself takes them for up to ten minutes
    more. `postgate session end` ends one of them.

    \b
    Example:
      postgate user logout demo

    Exit status: 0 if the user has no session left, 1 if not.
    """  # noqa: D301
    ended = run(end_sessions_of(load_owner_url(), username))
    typer.echo("1 session is ended." if ended == 1 else f"{ended} sessions are ended.")


def _read_password() -> str:
    if sys.stdin is None:
        raise OwnerRefused("There is no password on standard input.")
    if sys.stdin.isatty():
        password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        password = _one_line(sys.stdin.buffer.read(_MOST_BYTES))
    check_password(password)
    return password


def _one_line(typed: bytes) -> str:
    try:
        line = typed.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise OwnerRefused("The password is not UTF-8.") from None
    if "\n" in line:
        raise OwnerRefused("There is more than one line on standard input.")
    return line
