"""The server under it all: what it writes into its log, and whether the clocks agree."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from app.checks import findings as checks
from app.checks.findings import sql_name
from app.doctor.findings import Finding, Rule, Severity
from app.doctor.logins import Login, Part

SKEW: Final = Rule(
    "PD801",
    Severity.WARNING,
    "A clock is off by more than 5 seconds.",
    "Tokens count as expired, or as issued in the future, on one side and not on the other; a token that was "
    "ended lives on where the clock is behind.",
    "Synchronize the clocks of all machines (NTP).",
)
LOGS_PARAMETERS: Final = Rule(
    "PD802",
    Severity.DANGER,
    "The server writes the parameters of statements into its log.",
    "With them, every password that is tried and the JWT secret, which is handed over with each call.",
    "Leave parameters out of the log for this login; statements are still logged.",
)

_NONE: Final = "0"
_LEFT_OUT: Final = "log_parameter_max_length"
_LEFT_OUT_ON_ERROR: Final = "log_parameter_max_length_on_error"
_LEFT_OUT_OF_PLANS: Final = "auto_explain.log_parameter_max_length"


def judge_clock(server: str, ahead_seconds: float) -> list[Finding]:
    return [
        SKEW.broken(f"clock of {server}", detail=finding.text)
        for finding in checks.judge_clock(server, ahead_seconds)
    ]


def judge(logins: Sequence[Login]) -> list[Finding]:
    if not logins:
        return []
    return [
        *judge_clock("PostgreSQL", logins[0].ahead_seconds),
        *(finding for login in logins if login.part is not Part.OWNER for finding in _judge_logging(login)),
    ]


def logs_parameters(login: Login) -> bool:
    """Whether what this login sends may end up in the log."""
    return bool(list(_judge_logging(login)))


def _judge_logging(login: Login) -> Iterable[Finding]:
    for cause, remedy in _causes(login.logging):
        yield LOGS_PARAMETERS.broken(
            f"setting {cause} of role {sql_name(login.name)}",
            sql=f"alter role {sql_name(login.name)} in database {sql_name(login.database)} set {remedy};",
        )


def _causes(logging: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """The settings that make it so, each with the one that ends it."""
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
    """These have units (`250ms`), and -1 for off."""
    return not logging.get(name, "-1").startswith("-1")
