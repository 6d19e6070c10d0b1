"""`postgate doctor` as people and programs run it: the report, the status, and nothing that is secret."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from harness.site.console import PASSWORD, Console, QuickConsole, Result

from doctor.harness import Environ, Patient

OPEN_TABLE = "alter table api.task disable row level security;"
OPEN_FUNCTION = "grant execute on function api.add to public;"


class Doctor:
    """The verb for one patient."""

    def __init__(self, console: Console, environ: Environ) -> None:
        self._console = console
        self._settings = {name.removeprefix("POSTGATE_").lower(): value for name, value in environ.items()}

    def __call__(self, *arguments: str, **settings: str) -> Result:
        shown = self._console("doctor", *arguments, **{**self._settings, **settings})
        for secret in (self._settings["jwt_secret"], PASSWORD):
            assert secret not in shown.stdout + shown.stderr
        return shown

    def listed(self, *arguments: str, **settings: str) -> tuple[int, list[dict[str, Any]]]:
        shown = self("--json", *arguments, **settings)
        assert shown.stderr == ""
        findings: list[dict[str, Any]] = json.loads(shown.stdout)
        return shown.status, findings


@pytest.fixture
def doctor(environ: Mapping[str, str], patient: Patient) -> Doctor:
    return Doctor(QuickConsole(environ), patient.environ)


def test_nothing_is_nothing_and_0(environ: Mapping[str, str], patient: Patient) -> None:
    """In a process of its own."""
    shown = Doctor(Console(environ), patient.environ)()
    assert (shown.status, shown.stdout) == (0, "0 dangers, 0 warnings, 0 notes\n")


def test_notes_are_0(doctor: Doctor) -> None:
    shown = doctor(owner_database_url="")
    assert shown.status == 0
    assert shown.stdout.endswith("\n0 dangers, 0 warnings, 1 note\n")


def test_a_warning_is_1(doctor: Doctor, patient: Patient) -> None:
    patient.plant(OPEN_FUNCTION)
    shown = doctor()
    assert shown.status == 1
    assert shown.stdout.endswith("\n0 dangers, 1 warning, 0 notes\n")


def test_a_danger_is_2_and_is_told_in_full(doctor: Doctor, patient: Patient) -> None:
    patient.plant(OPEN_TABLE + OPEN_FUNCTION)
    shown = doctor()
    assert shown.status == 2
    assert shown.stdout.startswith(
        "danger   PD401  table api.task\n"
        "         Clients may write a table that has no row level security. By basic_subscriber.\n"
        "         A client with this role can write every row, those of other users included.\n"
        "         -> Enable it, and write policies for who may do what. Without a policy, no row is "
        "accessible.\n              alter table api.task enable row level security;\n"
        "warning  PD203  function api.add(integer, integer)\n"
    )
    assert shown.stdout.endswith("\n1 danger, 1 warning, 0 notes\n")


def test_programs_get_a_list(doctor: Doctor, patient: Patient) -> None:
    assert doctor.listed() == (0, [])
    patient.plant(OPEN_TABLE)
    status, [finding] = doctor.listed()
    assert status == 2
    assert finding == {
        "code": "PD401",
        "severity": "danger",
        "object": "table api.task",
        "what": "Clients may write a table that has no row level security.",
        "detail": "By basic_subscriber.",
        "why": "A client with this role can write every row, those of other users included.",
        "fix": "Enable it, and write policies for who may do what. Without a policy, no row is accessible.",
        "sql": "alter table api.task enable row level security;",
        "accepted": False,
    }


@pytest.mark.parametrize("name", ["PD401", "PD401=table api.task"])
def test_what_is_accepted_is_told_and_does_not_count(doctor: Doctor, patient: Patient, name: str) -> None:
    patient.plant(OPEN_TABLE + OPEN_FUNCTION)
    shown = doctor("--accept", name)
    assert shown.status == 1
    assert shown.stdout.startswith("accepted PD401  table api.task\n")
    assert shown.stdout.endswith("\n0 dangers, 1 warning, 0 notes\n")
    status, findings = doctor.listed("--accept", name, "--accept", "PD203")
    assert status == 0
    assert [finding["accepted"] for finding in findings] == [True, True]


def test_another_object_is_not_accepted(doctor: Doctor, patient: Patient) -> None:
    patient.plant(OPEN_TABLE)
    assert doctor("--accept", "PD401=table api.notice").status == 2


def test_a_code_that_is_none_is_a_wrong_command_line(doctor: Doctor) -> None:
    shown = doctor("--accept", "PD999")
    assert shown.status == 2
    assert "PD999 is not a code" in shown.stderr
    assert shown.stdout == ""


def test_settings_that_cannot_be_used_are_dangers(doctor: Doctor) -> None:
    status, findings = doctor.listed(database_url=PASSWORD, port=PASSWORD)
    assert status == 2
    assert [(finding["code"], finding["object"]) for finding in findings] == [
        ("PD001", "setting POSTGATE_PORT"),
        ("PD001", "setting POSTGATE_DATABASE_URL"),
    ]


def test_passwords_in_urls_are_told_to_nobody(doctor: Doctor) -> None:
    """Console looks for them in all that is printed."""
    wrong = f"postgresql://gateway:{PASSWORD}@127.0.0.1:1/app"
    status, findings = doctor.listed(
        database_url=wrong, owner_database_url=wrong, authenticator_database_url=wrong
    )
    assert status == 2
    assert [finding["code"] for finding in findings] == ["PD002", "PD003", "PD003"]


def test_stored_secrets_and_passwords_are_told_to_nobody(doctor: Doctor, patient: Patient) -> None:
    statements = (
        "alter database {database} set app.jwt_secret = 'PASSWORD';"
        "alter database {database} set app.mail_password = 'PASSWORD';"
        "create table auth.member (password text); insert into auth.member values ('PASSWORD');"
        "create function auth.key() returns text language sql as $$ select 'PASSWORD' || '{secret}' $$"
    )
    patient.plant(statements.replace("PASSWORD", PASSWORD))
    status, findings = doctor.listed()
    assert status == 2
    assert [finding["code"] for finding in findings] == ["PD101", "PD103", "PD702", "PD102"]


def test_a_name_that_would_speak_to_the_terminal_does_not(doctor: Doctor, patient: Patient) -> None:
    """And what is to be copied still names it."""
    patient.plant(
        'create table api."a""\n\x1b[2J;--" (id int); grant select on api."a""\n\x1b[2J;--" to anon'
    )
    shown = doctor()
    assert shown.status == 1
    assert "\x1b" not in shown.stdout
    _, [finding] = doctor.listed()
    patient.plant(finding["sql"])
    assert doctor.listed() == (0, [])
