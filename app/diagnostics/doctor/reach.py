"""Reasons why a check cannot run: invalid settings, servers that are down, missing rights."""

from typing import Final

from app.diagnostics.doctor.findings import Rule, Severity

SETTING_INVALID: Final = Rule(
    "PD001",
    Severity.DANGER,
    "A setting is invalid.",
    "The gateway does not start with it, and nothing was checked.",
    "Correct it: docs/configuration.md.",
)
DATABASE_UNREACHABLE: Final = Rule(
    "PD002",
    Severity.DANGER,
    "The gateway's login cannot connect to the database.",
    "Checks that cannot run count as dangerous.",
    "Start the database, or correct POSTGATE_DATABASE_URL.",
)
UNREACHABLE: Final = Rule(
    "PD003",
    Severity.WARNING,
    "Another server or login in the settings is unreachable.",
    "The checks that depend on it did not run. Without PostgREST, every schema that clients may use counts "
    "as exposed.",
    "Start it, or correct its setting.",
)
NOT_CHECKED: Final = Rule(
    "PD004",
    Severity.NOTE,
    "A check did not run.",
    "The login that it needs is not set or lacks a right, or a query took too long.",
    "Give this command the logins that it lacks; `postgate serve` needs none of them.",
)

LOOK_FIRST: Final = "Fix what other logins own or may create there (PD304, PD305), and run this again."
LOOK_AS_ITS_OWNER: Final = (
    "Set POSTGATE_OWNER_DATABASE_URL to the login of its owner for one run of this command, or give it to a "
    "role that only superusers may become."
)
