"""Looking runs nothing that another login has defined: neither by its name, nor by what is called or read."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from harness.shadows import INTRUDER, Shadows, plant
from harness.site.console import QuickConsole

from app.devstack import Database, DevStack
from app.diagnostics.check import run_checks
from app.diagnostics.doctor import run_doctor
from app.settings import load_settings
from doctor.harness import Environ

pytestmark = pytest.mark.anyio

APP = Path(__file__).parents[2] / "app"
STATEMENTS = [
    path.read_text(encoding="utf-8")
    for path in (APP / "operator/trust.py", APP / "database.py", *sorted(APP.glob("diagnostics/*/*.py")))
]
# What a login does that may create schemas in a database: whatever comes to be called or read is there first
SQUATTER = """
create role squatter login;
grant create on database "{database}" to squatter;
create function public.caught() returns integer language plpgsql immutable as $$
begin raise warning 'caught as %', current_user; return 1; end $$;
alter function public.caught() owner to squatter;
"""
SQUATTED = """
create schema postgate;
create view postgate.migration as select 1 as version, 'a' as name, repeat('a', public.caught()) as checksum;
create schema auth;
create table auth.user (username text, password text, role text, disabled_at timestamptz);
create index on auth.user ((public.caught()));
create schema auth_private;
create function auth_private.mint_access_token(jsonb) returns text language sql as
  'select public.caught()::text';
create function auth_private.role_is_assignable(text) returns boolean language sql as
  'select public.caught() = 1';
"""
MEMBERS = (
    "create schema auth; create table auth.member (password text);"
    "insert into auth.member values ('correct horse')"
)
WAYS_TO_RUN_CODE = {
    "an index": "create index on auth.member ((public.caught()))",
    "statistics": "create statistics auth.m on password, (password || public.caught()) from auth.member;"
    "analyze auth.member",
    "a policy": "alter table auth.member enable row level security, force row level security;"
    "create policy p on auth.member using (public.caught() = 1)",
    "a partition": "alter table auth.member rename to part; create table auth.member (password text)"
    " partition by list (password); alter table auth.member attach partition auth.part default;"
    "create index on auth.part ((public.caught()))",
}

Look = Callable[[Environ], Awaitable[object]]


async def check(environ: Environ) -> object:
    return await run_checks(load_settings(environ))


async def doctor(environ: Environ) -> object:
    return await run_doctor(load_settings(environ))


VERBS = pytest.mark.parametrize("look", [check, doctor])


@pytest.fixture(scope="module")
def planted(stack: DevStack) -> Iterator[Shadows]:
    with stack.fresh_database() as database:
        shadows = plant(database, log=stack.postgres.log, statements=STATEMENTS)
        for role in ("postgres", "gateway", "authenticator"):
            where = f'alter role {role} in database "{database.name}"'
            database.execute(f"{where} set search_path = {INTRUDER}, public, pg_catalog")
        yield shadows


def settings_of(stack: DevStack, database: Database) -> Environ:
    return {
        **stack.gateway_environ(),
        "POSTGATE_DATABASE_URL": database.gateway_dsn,
        "POSTGATE_OWNER_DATABASE_URL": database.owner_dsn,
        "POSTGATE_AUTHENTICATOR_DATABASE_URL": database.authenticator_dsn,
    }


@VERBS
async def test_no_name_means_what_a_login_has_planted(planted: Shadows, stack: DevStack, look: Look) -> None:
    planted.clear()
    await look(settings_of(stack, planted.database))
    assert planted.captured() == []

    planted.database.execute("select count(*) from pg_roles")
    assert planted.captured()  # the path of this login is a trap


VERBS_OF_THE_OWNER = [
    ["migrate", "--check"],
    ["migrate"],
    ["user", "add", "anna", "--role", "basic_subscriber"],
    ["user", "list"],
    ["user", "disable", "anna"],
    ["user", "enable", "anna"],
    ["user", "passwd", "anna"],
    ["session", "list", "anna"],
    ["user", "logout", "anna"],
]


def test_no_name_in_the_owners_verbs_means_what_a_login_has_planted(
    planted: Shadows, environ: Environ
) -> None:
    planted.clear()
    for words in VERBS_OF_THE_OWNER:
        shown = QuickConsole(environ)(
            *words, stdin="correct horse battery\n", owner_database_url=planted.database.owner_dsn
        )
        assert (words, shown.status, shown.stderr) == (words, 0, "")
    assert planted.captured() == []


@pytest.fixture
def squatted(stack: DevStack) -> Iterator[Database]:
    with stack.fresh_database(prepared=False) as database:
        database.execute(SQUATTER.replace("{database}", database.name))
        try:
            yield database
        finally:
            database.execute("drop owned by squatter cascade; drop role squatter")


class Ears:
    """What the planted function says in the server's log when it runs."""

    def __init__(self, stack: DevStack) -> None:
        self._log = stack.postgres.log
        self._start = len(self._log.read_text())

    @property
    def caught(self) -> bool:
        return "caught as" in self._log.read_text()[self._start :]


@VERBS
async def test_schemas_that_a_login_made_first_are_not_taken_for_ours(
    squatted: Database, stack: DevStack, look: Look
) -> None:
    squatted.execute(SQUATTED, role="squatter")
    ears = Ears(stack)
    found = await look(settings_of(stack, squatted))
    assert not ears.caught
    if look is check:
        assert "Which migrations were applied. In the schema postgate, another login" in str(found)

    squatted.execute("set role auth_owner; reset role; select version, checksum from postgate.migration")
    assert ears.caught


@pytest.mark.parametrize("way", WAYS_TO_RUN_CODE)
async def test_a_table_that_runs_code_is_not_read(squatted: Database, stack: DevStack, way: str) -> None:
    squatted.execute(MEMBERS)
    squatted.execute(WAYS_TO_RUN_CODE[way])
    squatted.execute("alter table auth.member owner to squatter")
    ears = Ears(stack)
    report = await run_doctor(load_settings(settings_of(stack, squatted)))
    assert not ears.caught
    assert ("PD004", "rows of auth.member") in [(finding.rule.code, finding.where) for finding in report]


async def test_a_table_whose_index_calls_another_logins_function_is_not_read(
    squatted: Database, stack: DevStack
) -> None:
    squatted.execute(MEMBERS)
    squatted.execute(WAYS_TO_RUN_CODE["an index"])
    ears = Ears(stack)
    report = await run_doctor(load_settings(settings_of(stack, squatted)))
    assert not ears.caught
    assert ("PD004", "rows of auth.member") in [(finding.rule.code, finding.where) for finding in report]

    squatted.execute("select password from auth.member")
    assert ears.caught  # while the statement is planned
