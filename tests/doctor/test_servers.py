"""Mistakes that are not in the database: servers that are down, that disagree, or whose clocks are off."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest

from app.devstack import DevStack, Postgrest
from app.diagnostics.check import login, upstream
from app.diagnostics.doctor import run_doctor
from app.settings import load_settings
from doctor.harness import Patient

pytestmark = pytest.mark.anyio

NOWHERE = "postgresql://gateway@/app?host=/nowhere"
OTHER_SECRET = "c29tZSBvdGhlciBzZWNyZXQgb2YgMzIgYnl0ZXMgb3Igc28="

PostgrestWith = Callable[..., AbstractContextManager[Postgrest]]


@pytest.fixture
def postgrest_with(stack: DevStack, patient: Patient) -> PostgrestWith:
    """A PostgREST before the patient's own database, with PGRST_* variables by their short names."""

    @contextmanager
    def start(**variables: str) -> Iterator[Postgrest]:
        named = {f"PGRST_{name.upper()}": value for name, value in variables.items()}
        options = replace(stack.options, environ=named)
        postgrest = stack.start_postgrest(options, database=patient.database)
        try:
            yield postgrest
        finally:
            postgrest.stop()

    return start


async def test_an_exposed_auth_schema(patient: Patient, postgrest_with: PostgrestWith) -> None:
    with postgrest_with(db_schemas="api,auth") as postgrest:
        report = await patient.examine(postgrest_url=postgrest.url)
    assert report.told == [("PD301", "schema auth")]


async def test_exposed_machinery(patient: Patient, postgrest_with: PostgrestWith) -> None:
    with postgrest_with(db_schemas="api,auth_private,information_schema") as postgrest:
        report = await patient.examine(postgrest_url=postgrest.url)
    assert report.told == [("PD302", "schema auth_private"), ("PD302", "schema information_schema")]


async def test_postgrests_login_is_known_by_its_connection(
    patient: Patient, postgrest_with: PostgrestWith
) -> None:
    """Where its URL is not set and the login has a name of its own."""
    patient.plant("create role door login noinherit bypassrls; grant anon, basic_subscriber to door")
    try:
        with postgrest_with(db_uri=patient.database.dsn("door")) as postgrest:
            report = await patient.examine(postgrest_url=postgrest.url, authenticator_database_url="")
        assert report.serious == [("PD501", "role door")]
    finally:
        patient.plant("drop role door")


@pytest.mark.parametrize(
    "variables", [{"jwt_secret": OTHER_SECRET}, {"jwt_secret": ""}], ids=["another", "none"]
)
async def test_a_secret_that_postgrest_does_not_share(
    patient: Patient, postgrest_with: PostgrestWith, variables: dict[str, str]
) -> None:
    with postgrest_with(**variables) as postgrest:
        report = await patient.examine(postgrest_url=postgrest.url)
    assert report.told == [("PD104", "PostgREST"), ("PD004", "the schemas that PostgREST exposes")]
    assert OTHER_SECRET not in repr(report)


async def test_another_secret_in_the_gateway(patient: Patient) -> None:
    """What is exposed cannot be asked then; what clients may use is looked at."""
    patient.plant("alter table api.task disable row level security")
    report = await patient.examine(jwt_secret=OTHER_SECRET)
    assert report.serious == [("PD104", "PostgREST"), ("PD401", "table api.task")]
    assert report.of("PD104").detail == "PostgREST has another JWT secret than the gateway."


async def test_a_gateway_with_the_owners_login(patient: Patient) -> None:
    report = await patient.examine(database_url=patient.environ["POSTGATE_OWNER_DATABASE_URL"])
    assert report.told == [("PD505", "role postgres")]


async def test_a_gateway_with_the_login_of_an_owner_that_is_no_superuser(patient: Patient) -> None:
    patient.plant("create role landlord login noinherit; grant anon to landlord")
    url = patient.database.dsn("landlord")
    try:
        report = await patient.examine(database_url=url, owner_database_url=url)
        assert [(code, where) for code, where in report.serious if code != "PD509"] == [
            ("PD505", "role landlord")
        ]
    finally:
        patient.plant("drop role landlord")


async def test_postgrest_with_the_gateways_login(patient: Patient, postgrest_with: PostgrestWith) -> None:
    patient.plant("grant basic_subscriber to gateway")
    url = patient.environ["POSTGATE_DATABASE_URL"]
    try:
        with postgrest_with(db_uri=url) as postgrest:
            report = await patient.examine(postgrest_url=postgrest.url, authenticator_database_url=url)
        assert report.told == [("PD504", "role gateway")]
    finally:
        patient.plant("revoke basic_subscriber from gateway")


async def test_postgrest_with_the_owners_login(patient: Patient, postgrest_with: PostgrestWith) -> None:
    url = patient.environ["POSTGATE_OWNER_DATABASE_URL"]
    with postgrest_with(db_uri=url) as postgrest:
        report = await patient.examine(postgrest_url=postgrest.url, authenticator_database_url=url)
    assert report.told == [("PD501", "role postgres")]
    assert report.of("PD501").sql == ""  # or nobody could administer the cluster


async def test_postgrest_that_is_down(patient: Patient) -> None:
    patient.plant("alter table api.task disable row level security")
    report = await patient.examine(postgrest_url="http://127.0.0.1:1")
    assert report.told == [("PD401", "table api.task"), ("PD003", "PostgREST")]


async def test_a_database_that_is_down_for_the_gateway(patient: Patient) -> None:
    """The others look all the same."""
    patient.plant("alter table api.task disable row level security")
    report = await patient.examine(database_url=NOWHERE)
    assert report.told == [("PD002", "the gateway's login"), ("PD401", "table api.task")]


async def test_a_database_that_is_down_for_all(patient: Patient) -> None:
    report = await patient.examine(
        database_url=NOWHERE, owner_database_url=NOWHERE, authenticator_database_url=NOWHERE
    )
    assert report.told == [
        ("PD002", "the gateway's login"),
        ("PD003", "PostgREST's login"),
        ("PD003", "the owner's login"),
    ]


async def test_what_a_login_is_lacking_for_is_noted(patient: Patient) -> None:
    report = await patient.examine(owner_database_url="", authenticator_database_url="")
    assert report.told == [
        ("PD004", "settings and logging as PostgREST's login has them"),
        ("PD004", "stored passwords, users' roles and how SQL signs"),
    ]
    assert [finding.fix for finding in report.findings] == [
        "Set POSTGATE_AUTHENTICATOR_DATABASE_URL for this command.",
        "Set POSTGATE_OWNER_DATABASE_URL for this command.",
    ]


async def test_an_owner_that_is_none_is_noted(patient: Patient) -> None:
    report = await patient.examine(owner_database_url=patient.environ["POSTGATE_AUTHENTICATOR_DATABASE_URL"])
    assert report.told == [
        ("PD004", 'rows of auth."user"'),
        ("PD004", "the roles of users"),
        ("PD004", "the server's configuration files"),
    ]


async def test_an_owner_that_is_no_superuser_sees_what_it_takes(patient: Patient) -> None:
    patient.plant("create role landlord login; grant auth_owner to landlord")
    try:
        report = await patient.examine(owner_database_url=patient.database.dsn("landlord"))
        assert report.told == [("PD004", "the server's configuration files")]
    finally:
        patient.plant("drop role landlord")


async def test_the_doctor_itself_gives_no_secret_to_a_server_that_would_log_it(
    patient: Patient, stack: DevStack
) -> None:
    patient.plant("alter database {database} set log_statement = 'all'")
    report = await patient.examine()
    assert report.told == [
        ("PD802", "setting log_statement of role authenticator"),
        ("PD802", "setting log_statement of role gateway"),
        ("PD004", "how SQL signs"),
    ]
    log = stack.postgres.log.read_text()
    assert "select pg_catalog.set_config('role', $1, true)" in log
    assert stack.jwt_secret not in log


@pytest.mark.parametrize(
    ("module", "server"), [(login, "PostgreSQL"), (upstream, "PostgREST")], ids=["database", "postgrest"]
)
async def test_a_clock_that_is_off(
    patient: Patient, monkeypatch: pytest.MonkeyPatch, module: object, server: str
) -> None:
    """The gateway's, as only that one is ours to turn: an hour would get its tokens refused."""
    monkeypatch.setattr(module, "time", SimpleNamespace(time=lambda: time.time() - 20))
    report = await patient.examine()
    assert report.told == [("PD801", f"clock of {server}")]
    assert re.search(r" (1\d|20) s ahead of the gateway's", report.of("PD801").detail)


async def test_a_secret_in_the_servers_own_file(patient: Patient, stack: DevStack) -> None:
    """Which `alter database` and `alter role` do not know of."""
    file = stack.postgres.data / "postgresql.auto.conf"
    before = file.read_text()
    file.write_text(f"{before}\nmy.signing_key = 'some secret'\n")
    try:
        patient.database.execute("select pg_reload_conf()")
        report = await patient.examine()
        assert report.told == [("PD102", "setting my.signing_key of the server")]
    finally:
        file.write_text(before)
        patient.database.execute("select pg_reload_conf()")


async def test_what_does_not_end_is_left(patient: Patient) -> None:
    [finding] = await run_doctor(load_settings(patient.environ), seconds=0.001)
    assert (finding.rule.code, finding.where) == ("PD003", "the rest")


@pytest.mark.parametrize("secret", ["password" * 4, "abcdefghijk" * 3 + "a", "0123456789" * 5])
async def test_a_weak_secret_in_a_setting_is_said_to_be_weak(patient: Patient, secret: str) -> None:
    patient.plant(f"alter database {{database}} set app.jwt_secret = '{secret}'")
    assert "weak" in (await patient.examine()).of("PD101").detail


async def test_a_strong_secret_in_a_setting_is_not_said_to_be_weak(patient: Patient) -> None:
    patient.plant("alter database {database} set app.jwt_secret = 'q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQ'")
    assert (await patient.examine()).of("PD101").detail == ""
