"""The verbs for secrets. Where one is asked for, nothing else is printed on standard output."""

import base64
import secrets
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from app.operator.new_keys import new_jwk
from app.operator.rotation import (
    Change,
    RotationRefused,
    change_file,
    change_text,
    read_place,
    rotated,
    without_old,
)
from app.settings import MIN_SECRET_BYTES, load_secret_place
from app.settings.keys import write_ring

app = typer.Typer(no_args_is_help=True, help="The JWT secret: the keys that sign and verify access tokens.")


class Algorithm(StrEnum):
    """The algorithm of a new key (RFC 7518 section 3.1)."""

    ES256 = "ES256"
    EDDSA = "EdDSA"
    RS256 = "RS256"
    HS256 = "HS256"


_ROTATED = """{secret} holds two keys: a new one, which signs, and the one before, which still verifies.

No user is signed out if it is read in this order:
{steps}

The old key may go when every token that it signed has expired: ten minutes after step 2, or as long as your
own functions make tokens last. Then: {again}, and both steps again."""
_DROPPED = """{secret} holds one key. Each server that has read it rejects the tokens of other keys.

It must be read, in any order:
{steps}"""
_UNCHANGED = "{secret} holds one key: there is nothing to drop."
_STEPS = """\
  1. By PostgREST. With a key pair, write its public set first: `postgate secret public`. Then, if
     PGRST_JWT_SECRET is @ and the name of a file: notify pgrst, 'reload config'; in SQL, or SIGUSR2 to its
     process. If it is the secret itself: set the new value, and restart PostgREST.
  2. By the gateways: SIGHUP to each, if POSTGATE_JWT_SECRET_FILE names the file; else set the new
     value, and restart them, one after the other. `postgate check` says whether it all fits.
PGRST_JWT_SECRET_IS_BASE64 and POSTGATE_JWT_SECRET_IS_BASE64 stay as they are."""


@app.callback()
def _secret() -> None:
    """Stand before the verbs."""


@app.command("new")
def _new(
    *,
    algorithm: Annotated[Algorithm, typer.Option(help="The algorithm of the key.")] = Algorithm.ES256,
) -> None:
    """Print a new one: a private key for the gateway alone, as a JWK set (RFC 7517) on one line.

    PostgREST gets what `postgate secret public` prints of it. HS256 makes 32 random bytes in base64, a secret
    that both share; it is read as such with POSTGATE_JWT_SECRET_IS_BASE64 (the default) and
    PGRST_JWT_SECRET_IS_BASE64=true.

    \b
    Examples:
      (umask 077; postgate secret new > jwt_secret)
      postgate secret public jwt_secret > jwt_public
    """  # noqa: D301
    if algorithm is Algorithm.HS256:
        typer.echo(base64.b64encode(secrets.token_bytes(MIN_SECRET_BYTES)).decode())
    else:
        typer.echo(write_ring([new_jwk(algorithm, datetime.now(UTC))], is_base64=False))


@app.command("public")
def _public(
    file: Annotated[
        Path | None,
        typer.Argument(help="Where the secret is. Left out: the file that POSTGATE_JWT_SECRET_FILE names."),
    ] = None,
    *,
    with_shared: Annotated[
        bool,
        typer.Option(
            "--with-shared",
            help="With the shared secrets too, which PostgREST needs until their tokens have expired. Then "
            "the set is a secret.",
        ),
    ] = False,
    as_base64: Annotated[
        bool, typer.Option("--base64", help="In base64, where PGRST_JWT_SECRET_IS_BASE64=true.")
    ] = False,
) -> None:
    """Print the public keys as a JWK set, which is all that PostgREST needs: PGRST_JWT_SECRET.

    \b
    Examples:
      postgate secret public /etc/postgate/jwt_secret > /etc/postgrest/jwt_public
      POSTGATE_JWT_SECRET=... postgate secret public

    Exit status: 0 if all went well, 1 if not, or if there is no public key.
    """  # noqa: D301
    place = load_secret_place()
    ring = read_place(file or place.file, place.text, is_base64=place.is_base64)
    if not ring.has_public_keys:
        raise RotationRefused(
            "The secret has no public keys: PostgREST needs the shared secret itself. "
            "`postgate secret rotate --algorithm ES256` begins to change that."
        )
    text = ring.public_set(with_shared=with_shared)
    typer.echo(base64.b64encode(text.encode()).decode() if as_base64 else text)


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
    algorithm: Annotated[
        Algorithm | None,
        typer.Option(help="The algorithm of the new key. Left out: that of the present one."),
    ] = None,
) -> None:
    """Change the secret without signing users out.

    The file gets a JWK set: a new key, with which tokens are signed from then on, and behind it the one that
    has signed until now; older ones are dropped. The file is replaced at once, with the same mode and owner,
    and in the same form: base64 stays base64, which POSTGATE_JWT_SECRET_IS_BASE64 must say as it does for
    the gateway. The next steps are printed in their order.

    Without a file, nothing is changed: the new value of POSTGATE_JWT_SECRET is printed, and
    the next steps on standard error.

    \b
    Examples:
      postgate secret rotate /run/secrets/jwt_secret
      postgate secret rotate --drop-old /run/secrets/jwt_secret
      postgate secret rotate --algorithm ES256 /run/secrets/jwt_secret
      (umask 077; postgate secret rotate > new_value)

    Exit status: 0 if all went well, 1 if not; then nothing is changed.
    """  # noqa: D301
    place = load_secret_place()
    change: Change = without_old if drop_old else partial(rotated, algorithm=algorithm or "")
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
