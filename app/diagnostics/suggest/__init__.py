"""`postgate suggest`: the settings for the login functions that a database already has, with reasons.

It reads the catalogue of one database in a read-only transaction, and calls no function. The purpose of a
function is derived from its source by heuristics, the same ones that `postgate doctor` uses. In each file,
`look` reads (I/O) and the other functions decide (pure).
"""

from app.diagnostics.suggest.advice import suggestions
from app.diagnostics.suggest.looking import look
from app.diagnostics.suggest.suggestion import Suggestion

__all__ = ["Suggestion", "suggest"]


async def suggest(url: str) -> list[Suggestion]:
    """The suggestions for the database of this URL. Raises DatabaseUnreachable."""
    return suggestions(await look(url))
