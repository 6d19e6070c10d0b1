"""The verbs for sessions: who is signed in, and the end of it."""

from typing import Annotated

import typer

from app.cli.tables import minute, table
from app.network import run
from app.operator.sessions import Session, end_session, list_sessions
from app.settings import load_owner_url

app = typer.Typer(
    no_args_is_help=True,
    help="""Sessions: who is signed in, and from where.

    All of these need POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's) and no
    other setting: a superuser, or a member of auth_owner, as whoever ran `postgate migrate` is.
    """,
)

_USER_AGENT_LENGTH = 60
_NAMES = ("ID", "USERNAME", "SUBJECT", "SINCE", "LAST SEEN", "ADDRESS", "USER AGENT")


@app.command("list")
def _list(
    username: Annotated[
        str | None, typer.Argument(help="Names are case-sensitive. Left out: all sessions.")
    ] = None,
) -> None:
    """List the sessions that are open.

    A line for each: its id, the user ("-" if it has none), the subject, since when, when and from where it
    was last renewed, and what the client calls itself. Times are in UTC. Through plain PostgREST no address
    is known.

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

    It cannot be renewed any more, and every gateway refuses its access tokens at once. For PostgREST by
    itself, and for a gateway that does not hear the database at the moment, they are good for up to ten
    minutes more.

    \b
    Example:
      postgate session end 3e0b7a52-7b0e-4a5c-9c39-2f4f6f0f8a11

    Exit status: 0 if the session is ended, 1 if not.
    """  # noqa: D301
    run(end_session(load_owner_url(), session))
    typer.echo("The session is ended.")


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
