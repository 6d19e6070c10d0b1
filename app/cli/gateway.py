"""The verbs that run a gateway: `serve` in front of your PostgREST, `dev` in front of an embedded one."""

import os
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from app.devstack import DemoOptions, Mailbox, run_demo, running_mailbox
from app.operator.migrations import migrate
from app.settings import Settings, load_settings
from app.system.listeners import PortTaken
from app.system.reaper import become_subreaper
from app.system.signals import exit_on_stop

app = typer.Typer()


@app.command()
def serve() -> None:
    """Serve until SIGTERM or Ctrl-C.

    A signal drains requests in flight; a second one ends the process at once. Needs POSTGATE_DATABASE_URL and
    POSTGATE_JWT_SECRET, and POSTGATE_POSTGREST_URL if PostgREST is not at http://127.0.0.1:3000. Clients
    connect to POSTGATE_HOST and POSTGATE_PORT (127.0.0.1:8000). The admin listener, at POSTGATE_ADMIN_HOST
    and POSTGATE_ADMIN_PORT (127.0.0.1:8001), serves /live, /ready, /metrics and /auth/verify.

    \b
    Example:
      export POSTGATE_DATABASE_URL=postgresql://gateway:...@127.0.0.1/app
      export POSTGATE_JWT_SECRET_FILE=/run/secrets/jwt_secret
      postgate serve

    Exit status: 0 after a stop, 1 if the settings are invalid, a port is in use, a worker fails to start, or
    the process did not end before its deadline.
    """  # noqa: D301
    exit_on_stop()
    become_subreaper()
    _serve(load_settings)


@app.command()
def dev(
    port: Annotated[
        int, typer.Option(metavar="PORT", min=1, max=65_535, help="Where the gateway listens.")
    ] = 8000,
    folder: Annotated[
        Path,
        typer.Option(
            metavar="FOLDER", file_okay=False, help="The folder with the data; delete it to start again."
        ),
    ] = Path(".postgate"),
) -> None:
    """Try Postgate on this machine, until Ctrl-C.

    Starts Postgres, PostgREST, a mailbox and the gateway, with data and accounts, and prints the first
    commands. All of it listens on loopback only, because the accounts have weak passwords. Installed servers
    are used (PG_BIN and POSTGREST_BIN name others); missing ones are downloaded into the folder, once.

    POSTGATE_* settings apply, except for those of the embedded servers.

    \b
    Examples:
      postgate dev
      postgate dev --port 8123 --folder /tmp/postgate

    Exit status: 0 after a stop, 1 if it cannot start.
    """  # noqa: D301
    with running_mailbox() as mailbox:

        def serve_demo(environ: Mapping[str, str]) -> None:
            _serve(partial(load_settings, environ), mailbox)

        async def prepare(dsn: str) -> None:
            await migrate(dsn)

        run_demo(
            DemoOptions(port=port, folder=folder, smtp_port=mailbox.port if mailbox is not None else None),
            environ=dict(os.environ),  # noqa: TID251 (passed to the servers; nothing is read here)
            say=typer.echo,
            migrate=prepare,
            serve=serve_demo,
        )


def _serve(load: Callable[[], Settings], mailbox: Mailbox | None = None) -> None:
    settings = load()
    # These imports take half a second, and no other verb needs them
    from app.server.serving import serve  # noqa: PLC0415

    routes = []
    if mailbox is not None:
        from app.devstack.mailbox_pages import mailbox_routes  # noqa: PLC0415  with packages of an extra

        routes.append(mailbox_routes(mailbox))
    try:
        serve(settings, load, routes)
    except PortTaken as taken:
        sys.exit(str(taken))
