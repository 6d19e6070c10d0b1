"""The verbs for users. A password is typed twice without echo, or read from standard input."""

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

    These verbs need only POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's
    login). The login must be a superuser or a member of auth_owner; the login that ran `postgate migrate`
    is one.
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
    """Add a user.

    The password has 1 to 72 bytes. It is typed twice, or is the only line of standard input if that is not a
    terminal. It is hashed here and never sent.

    \b
    Examples:
      postgate user add demo --role basic_subscriber
      postgate user add demo --role basic_subscriber < password.txt

    Exit status: 0 if the user is added, 1 if not.
    """  # noqa: D301
    url = load_owner_url()
    run(add_user(url, username, _read_password(), role))
    typer.echo("The user is added.")


@app.command("passwd")
def _passwd(username: Username) -> None:
    """Change the password of a user.

    All sessions of the user end, and every gateway rejects their access tokens at once; PostgREST without the
    gateway accepts them for up to ten more minutes. The password is read as in `postgate user add`.

    \b
    Example:
      postgate user passwd demo

    Exit status: 0 if the password is changed, 1 if not.
    """  # noqa: D301
    url = load_owner_url()
    run(set_password(url, username, _read_password()))
    typer.echo("The password is changed, and all sessions of the user have ended.")


@app.command("list")
def _list() -> None:
    """List all users.

    A line for each: name, role, time of creation, time of disabling, and id. The id is the claim `sub`, and
    the subject in the log. Times are in UTC.

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
    """Disable a user, who then cannot sign in.

    All sessions of the user end, and every gateway rejects their access tokens at once; PostgREST without the
    gateway accepts them for up to ten more minutes. `postgate user enable` reverses it.

    \b
    Example:
      postgate user disable demo

    Exit status: 0 if the user is disabled, 1 if not.
    """  # noqa: D301
    run(disable_user(load_owner_url(), username))
    typer.echo("The user is disabled, and all sessions of the user have ended.")


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
    """End all sessions of a user. The user may sign in again.

    Every gateway rejects their access tokens at once; PostgREST without the gateway accepts them for up to
    ten more minutes. `postgate session end` ends one session.

    \b
    Example:
      postgate user logout demo

    Exit status: 0 if the user has no open session, 1 if not.
    """  # noqa: D301
    ended = run(end_sessions_of(load_owner_url(), username))
    typer.echo("1 session has ended." if ended == 1 else f"{ended} sessions have ended.")


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
