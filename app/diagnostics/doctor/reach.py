"""What keeps the doctor from looking: wrong settings, servers that are down, rights that it lacks."""

from typing import Final

from app.diagnostics.doctor.findings import Rule, Severity

SETTING_INVALID: Final = Rule(
    "PD001",
    Severity.DANGER,
    "A setting cannot be used.",
    "The gateway does not start with it, and nothing was looked at.",
    "Set it right: docs/configuration.md.",
)
DATABASE_UNREACHABLE: Final = Rule(
    "PD002",
    Severity.DANGER,
    "The gateway's login cannot connect to the database.",
    "What nobody can look at has to be taken for dangerous.",
    "Start the database, or set POSTGATE_DATABASE_URL right.",
)
UNREACHABLE: Final = Rule(
    "PD003",
    Severity.WARNING,
    "Something else that the settings name cannot be reached.",
    "What depends on it was not looked at. Without PostgREST, every schema that clients may use counts as "
    "exposed.",
    "Start it, or set its variable right.",
)
NOT_LOOKED_AT: Final = Rule(
    "PD004",
    Severity.NOTE,
    "Something was not looked at.",
    "A login that it takes is not set or may not see it, or the answer took too long.",
    "Give this command the logins it lacks; the gateway that serves needs none of them.",
)

LOOK_FIRST: Final = "Look at what other logins own or may create there (PD304, PD305), and run this again."
LOOK_AS_ITS_OWNER: Final = (
    "Set POSTGATE_OWNER_DATABASE_URL to the login of its owner for one run of this command, or let a role "
    "own it that no login but superusers may become."
)
