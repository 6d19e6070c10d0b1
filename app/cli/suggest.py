"""The verb `suggest`."""

import json
import re
from dataclasses import asdict
from textwrap import wrap
from typing import Annotated

import typer

from app.diagnostics.suggest import Suggestion, suggest
from app.network import run
from app.settings import load_owner_url

app = typer.Typer()

_WIDTH = 100
_PLAIN = re.compile(r"[A-Za-z0-9_.,$/-]+").fullmatch


@app.command("suggest")
def _suggest(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a JSON array with variable, value, reason and fix.")
    ] = False,
) -> None:
    """Print the settings for the login functions that a database already has.

    Looks at the functions and roles of the database: which functions take a password, return tokens or set
    cookies, which renew, which secret they read, which role calls them. Prints one line for each setting,
    with the reason as a comment, ready for an environment file. Reads only: calls no function, and changes
    nothing.

    Needs only POSTGATE_OWNER_DATABASE_URL or POSTGATE_DATABASE_URL. Any login that may connect is enough.

    \b
    Examples:
      POSTGATE_DATABASE_URL=postgresql://app:...@127.0.0.1/app postgate suggest
      postgate suggest >> .env

    Exit status: 0, also if there is nothing to suggest; 1 if the database is unreachable.
    """  # noqa: D301
    found = run(suggest(load_owner_url()))
    if as_json:
        typer.echo(json.dumps([asdict(suggestion) for suggestion in found], indent=2))
    else:
        typer.echo("\n".join(map(_lines, found)))


def _lines(suggestion: Suggestion) -> str:
    """The reason as a comment, and the setting. A name in the database may contain a terminal escape."""
    texts = [suggestion.reason, *([suggestion.fix] if suggestion.fix else [])]
    lines = [f"# {line}" for text in texts for line in wrap(_printable(text), _WIDTH)]
    if suggestion.variable:
        is_plain = _PLAIN(suggestion.value) is not None
        lines.append(f"{'' if is_plain else '# '}{suggestion.variable}={json.dumps(suggestion.value)[1:-1]}")
    return "\n".join(lines)


def _printable(text: str) -> str:
    return "".join(x if x.isprintable() else "\N{REPLACEMENT CHARACTER}" for x in text)
