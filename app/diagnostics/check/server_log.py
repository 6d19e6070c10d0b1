"""Whether the server writes a login's statement parameters, with the JWT secret among them, into its log."""

from collections.abc import Iterator, Mapping
from typing import Final

from app.database import Connection

_NAMES: Final = (
    "log_statement",
    "log_min_duration_statement",
    "log_min_duration_sample",
    "log_statement_sample_rate",
    "log_transaction_sample_rate",
    "log_parameter_max_length",
    "log_parameter_max_length_on_error",
    "auto_explain.log_min_duration",
    "auto_explain.log_parameter_max_length",
    "pgaudit.log",
    "pgaudit.log_parameter",
)
_LOOK: Final = """
select name, pg_catalog.current_setting(name, true) as value
  from pg_catalog.unnest($1::pg_catalog.text[]) as name
 where pg_catalog.current_setting(name, true) <> ''
"""

_NONE: Final = "0"
_LEFT_OUT: Final = "log_parameter_max_length"
_LEFT_OUT_ON_ERROR: Final = "log_parameter_max_length_on_error"
_LEFT_OUT_OF_PLANS: Final = "auto_explain.log_parameter_max_length"


async def look(connection: Connection) -> dict[str, str]:
    """The settings that decide, with this login's values."""
    return {row["name"]: row["value"] for row in await connection.fetch(_LOOK, _NAMES)}


def causes(logging: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The settings by which parameters are logged, each with the assignment that prevents it."""
    if logging.get(_LEFT_OUT, _NONE) != _NONE:
        for name, logs in {
            "log_statement": logging.get("log_statement") == "all",
            "log_min_duration_statement": _is_on(logging, "log_min_duration_statement"),
            "log_min_duration_sample": _is_on(logging, "log_min_duration_sample")
            and float(logging.get("log_statement_sample_rate", "0")) > 0,
            "log_transaction_sample_rate": float(logging.get("log_transaction_sample_rate", "0")) > 0,
        }.items():
            if logs:
                yield name, f"{_LEFT_OUT} = 0"
    if logging.get(_LEFT_OUT_ON_ERROR, _NONE) != _NONE:
        yield _LEFT_OUT_ON_ERROR, f"{_LEFT_OUT_ON_ERROR} = 0"
    if _is_on(logging, "auto_explain.log_min_duration") and logging.get(_LEFT_OUT_OF_PLANS, _NONE) != _NONE:
        yield "auto_explain.log_min_duration", f"{_LEFT_OUT_OF_PLANS} = 0"
    if logging.get("pgaudit.log_parameter") == "on" and logging.get("pgaudit.log", "none") != "none":
        yield "pgaudit.log_parameter", "pgaudit.log_parameter = off"


def _is_on(logging: Mapping[str, str], name: str) -> bool:
    """Whether a duration setting is on. Values have units (`250ms`); -1 is off."""
    return not logging.get(name, "-1").startswith("-1")
