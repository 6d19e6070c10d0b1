"""The verbs for secrets. Where one is asked for, nothing else is printed on standard output."""

import base64
import secrets
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from app.operator.rotation import Change, RotationRefused, change_file, change_text, rotated, without_old
from app.settings import MIN_SECRET_BYTES, load_secret_place

app = typer.Typer(no_args_is_help=True, help="The JWT secret, shared with PostgREST.")

_ROTATED = """{secret} holds two keys: a new one, which signs, and the one before, which still verifies.

Nobody is signed out if it is read in this order:
{steps}

The old key may go when every token that it signed has expired: ten minutes after step 2, or as long as your
own functions make tokens last. Then: {again}, and both steps again."""
_DROPPED = """{secret} holds one key: tokens of another are refused by whoever has read it.

So it has to be read, in any order:
{steps}"""
_UNCHANGED = "{secret} holds one key: there is nothing to drop."
_STEPS = """\
  1. By PostgREST. If PGRST_JWT_SECRET is @ and the name of the file: notify pgrst, 'reload config'; in SQL,
     or SIGUSR2 to its process. If it is the secret itself: set it anew, and restart PostgREST.
  2. By the gateways: SIGHUP to each, if POSTGATE_JWT_SECRET_FILE names the file; else set it anew, and
     restart them, one after the other. `postgate check` says whether it all fits.
PGRST_JWT_SECRET_IS_BASE64 and POSTGATE_JWT_SECRET_IS_BASE64 stay as they are."""


@app.callback()
def _secret() -> None:
    """Stand before the verbs."""


@app.command("new")
def _new() -> None:
    """Print a new one: 32 random bytes in base64.

    It is read as such with POSTGATE_JWT_SECRET_IS_BASE64 (the default) and PGRST_JWT_SECRET_IS_BASE64=true.

    \b
    Example:
      (umask 077; postgate secret new > jwt_secret)
    """  # noqa: D301
    typer.echo(base64.b64encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode())


@app.command("rotate")
def _rotate(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where the secret is. Left out: the file that POSTGATE_JWT_SECRET_FILE names."),
    ] = None,
    *,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Keep the first key alone: the end of a rotation.")
    ] = False,
) -> None:
    """Change the secret without signing anybody out.

    The file gets a JWK set: a new key, with which tokens are signed from then on, and behind it the one that
    has signed until now; older ones are dropped. The file is replaced at once, with the same mode and owner,
    and in the same form: base64 stays base64, which POSTGATE_JWT_SECRET_IS_BASE64 has to say as it does for
    the gateway. What is to be done next, and in which order, is said.

    Without a file, nothing is changed: the new value of POSTGATE_JWT_SECRET is printed, and what is to be
    done with it is said on standard error.

    \b
    Examples:
      postgate secret rotate /run/secrets/jwt_secret
      postgate secret rotate --drop-old /run/secrets/jwt_secret
      (umask 077; postgate secret rotate > new_value)

    Exit status: 0 if all went well, 1 if not; then nothing is changed.
    """  # noqa: D301
    place = load_secret_place()
    change: Change = without_old if drop_old else rotated
    path = file or place.file
    changed = True
    if path is not None:
        changed = change_file(path, change, is_base64=place.is_base64)
    elif place.text:
        typer.echo(change_text(place.text, change, is_base64=place.is_base64))
    else:
        raise RotationRefused("Name the file with the secret, or set POSTGATE_JWT_SECRET_FILE.")
    words = (_DROPPED if drop_old else _ROTATED) if changed else _UNCHANGED
    again = f"postgate secret rotate --drop-old{f' {quote(str(file))}' if file else ''}"
    typer.echo(words.format(secret=path or "The new value", steps=_STEPS, again=again), err=path is None)
