"""The verb for secrets."""

import base64
import secrets

import typer

from app.settings import MIN_SECRET_BYTES

app = typer.Typer(no_args_is_help=True, help="The JWT secret, shared with PostgREST.")


@app.callback()
def _secret() -> None:
    """Keep `new` a word of its own although it is the only one."""


@app.command("new")
def _new() -> None:
    """Print a new one: 32 random bytes in base64.

    It is read as such with POSTGATE_JWT_SECRET_IS_BASE64 (the default) and PGRST_JWT_SECRET_IS_BASE64=true.

    \b
    Example:
      (umask 077; postgate secret new > jwt_secret)
    """  # noqa: D301
    typer.echo(base64.b64encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode())
