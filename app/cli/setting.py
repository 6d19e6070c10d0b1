"""The verbs for what the owner may tune in the database: lives, limits, the cost of a password."""

import asyncio
from typing import Annotated

import typer

from app.cli.tables import table
from app.operator.owner import OwnerRefused
from app.operator.tunables import Tunable, list_tunables, set_tunable
from app.settings import load_owner_url

app = typer.Typer(
    no_args_is_help=True,
    help="""Settings in the database: lives, limits, the cost of a password.

    All of these need POSTGATE_OWNER_DATABASE_URL (or POSTGATE_DATABASE_URL, if that is the owner's) and no
    other setting: a superuser, or a member of auth_owner, as whoever ran `postgate migrate` is.
    """,
)

_NAMES = ("NAME", "VALUE", "DEFAULT", "RANGE", "UNIT", "MEANING")
_DEFAULT = "default"


@app.command("list")
def _list() -> None:
    """List the settings in the database.

    A line for each: its name, the value that holds, the default, the range, the unit, and what it decides.

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
    """Give a setting another value.

    It holds from now on, without a restart; what was issued before keeps its life. Upgrades keep it.

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
        raise OwnerRefused("The value is a whole number, or the word default.")
    return int(text[:20])  # no setting has as many digits, and int() refuses thousands of them
