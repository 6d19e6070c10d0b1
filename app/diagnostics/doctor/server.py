"""The database server: what it logs, and whether the clocks agree."""

from collections.abc import Iterable, Sequence
from typing import Final

from app.diagnostics.check import findings as checks
from app.diagnostics.check import server_log
from app.diagnostics.check.findings import sql_name
from app.diagnostics.doctor.findings import Finding, Rule, Severity
from app.diagnostics.doctor.logins import Login, Part

SKEW: Final = Rule(
    "PD801",
    Severity.WARNING,
    "A clock is off by more than 5 seconds.",
    "One side rejects tokens as expired or issued in the future, and the other side accepts them. A revoked "
    "token stays valid where the clock is behind.",
    "Synchronize the clocks of all machines (NTP).",
)
LOGS_PARAMETERS: Final = Rule(
    "PD802",
    Severity.DANGER,
    "The server writes the parameters of statements into its log.",
    "The parameters contain every password that a user enters, and the JWT secret, which each call passes.",
    "Exclude parameters from the log for this login; statements are still logged.",
)


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


def _judge_logging(login: Login) -> Iterable[Finding]:
    for cause, remedy in server_log.causes(login.logging):
        yield LOGS_PARAMETERS.broken(
            f"setting {cause} of role {sql_name(login.name)}",
            sql=f"alter role {sql_name(login.name)} in database {sql_name(login.database)} set {remedy};",
        )
