"""The verbs for sessions: list and end them."""

from typing import Annotated

import typer

from app.cli.tables import minute, table
from app.network import run
from app.operator.sessions import Session, end_session, list_sessions
from app.settings import load_owner_url

app = typer.Typer(
    no_args_is_help=True,
    help="""Sessions: list and end them.

    These verbs need only POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's
    login). The login must be a superuser or a member of auth_owner; the login that ran `postgate migrate`
    is one.
    """,
)

_USER_AGENT_LENGTH = 60
_NAMES = ("ID", "USERNAME", "SUBJECT", "SINCE", "LAST SEEN", "ADDRESS", "USER AGENT")


@app.command("list")
def _list(
    username: Annotated[
        str | None, typer.Argument(help="Names are case-sensitive. Default: all sessions.")
    ] = None,
) -> None:
    """List the open sessions.

    A line for each: id, user ("-" if it has none), subject, start, the time and address of the last renewal,
    and the client's User-Agent. Times are in UTC. Without the gateway, PostgREST reports no address.

    \b
    Examples:
      postgate session list
      postgate session list demo

    Exit status: 0 if they are listed, 1 if not.
    """  # noqa: D301
    sessions = run(list_sessions(load_owner_url(), username))
    for line in table(_NAMES, [_row(session) for session in sessions]):
        typer.echo(line)


@app.command("end")
def _end(
    session: Annotated[
        str, typer.Argument(metavar="ID", help="As `postgate session list` or the log shows it.")
    ],
) -> None:
    """End a session.

    It cannot be renewed, and every gateway rejects its access tokens at once. PostgREST without the gateway,
    and a gateway that is disconnected from the database, accept them for up to ten more minutes.

    \b
    Example:
      postgate session end 3e0b7a52-7b0e-4a5c-9c39-2f4f6f0f8a11

    Exit status: 0 if the session has ended, 1 if not.
    """  # noqa: D301
    run(end_session(load_owner_url(), session))
    typer.echo("The session has ended.")


def _row(session: Session) -> tuple[str, ...]:
    return (
        str(session.id),
        session.username or "-",
        session.subject,
        minute(session.created_at),
        minute(session.last_seen_at),
        session.address or "-",
        _shortened(session.user_agent or "-"),
    )


def _shortened(text: str) -> str:
    return text if len(text) <= _USER_AGENT_LENGTH else text[: _USER_AGENT_LENGTH - 1] + "…"
