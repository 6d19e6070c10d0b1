"""The verbs for settings in the database: lifetimes, limits, the cost of password hashes."""

import asyncio
from typing import Annotated

import typer

from app.cli.tables import table
from app.operator.owner import OwnerRefused
from app.operator.tunables import Tunable, list_tunables, set_tunable
from app.settings import load_owner_url

app = typer.Typer(
    no_args_is_help=True,
    help="""Settings in the database: lifetimes, limits, the cost of password hashes.

    These verbs need only POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's
    login). The login must be a superuser or a member of auth_owner; the login that ran `postgate migrate`
    is one.
    """,
)

_NAMES = ("NAME", "VALUE", "DEFAULT", "RANGE", "UNIT", "MEANING")
_DEFAULT = "default"


@app.command("list")
def _list() -> None:
    """List the settings in the database.

    A line for each: name, value, default, range, unit and meaning.

    \b
    Example:
      postgate setting list

    Exit status: 0 if they are listed, 1 if not.
    """  # noqa: D301
    tunables = asyncio.run(list_tunables(load_owner_url()))
    for line in table(_NAMES, [_row(tunable) for tunable in tunables]):
        typer.echo(line)


@app.command("set")
def _set(
    name: Annotated[str, typer.Argument(help="As `postgate setting list` shows it.")],
    value: Annotated[str, typer.Argument(help="A whole number within the range, or: default.")],
) -> None:
    """Change a setting.

    It takes effect at once, without a restart. Tokens and sessions that exist keep their lifetime. Upgrades
    keep the value.

    \b
    Examples:
      postgate setting set session_life 720
      postgate setting set session_life default

    Exit status: 0 if the value is set, 1 if not.
    """  # noqa: D301
    asyncio.run(set_tunable(load_owner_url(), name, _number(value)))
    typer.echo("The value is set.")


def _row(tunable: Tunable) -> tuple[str, ...]:
    value = tunable.default_value if tunable.value is None else tunable.value
    return (
        tunable.name,
        str(value),
        str(tunable.default_value),
        f"{tunable.lowest}-{tunable.highest}",
        tunable.unit,
        tunable.meaning,
    )


def _number(text: str) -> int | None:
    if text == _DEFAULT:
        return None
    if not (text.isascii() and text.isdigit()):
        raise OwnerRefused("The value must be a whole number, or the word default.")
    return int(text[:20])  # no setting has as many digits, and int() rejects thousands of them
