"""`postgate migrate` in a container that has the owner's URL and nothing else."""

from collections.abc import Iterator, Mapping

import pytest
from harness.site.console import PASSWORD, Console, QuickConsole

from app.devstack import Database, DevStack
from app.operator.migrations import load

EVERY = [migration.name for migration in load()]


@pytest.fixture
def postgate(environ: Mapping[str, str]) -> Console:
    return Console(environ)


@pytest.fixture
def quick(environ: Mapping[str, str]) -> Console:
    return QuickConsole(environ)


@pytest.fixture
def empty(stack: DevStack) -> Iterator[Database]:
    with stack.fresh_database(prepared=False) as own:
        yield own


def test_an_empty_database_is_brought_up_to_date_once(
    postgate: Console, quick: Console, empty: Database
) -> None:
    before = postgate("migrate", "--check", owner_database_url=empty.owner_dsn)
    assert before.status == 1
    assert before.stdout.splitlines() == [f"pending: {name}" for name in EVERY]

    first = postgate("migrate", owner_database_url=empty.owner_dsn)
    assert first.status == 0
    assert first.stdout.splitlines() == [
        *(f"applied: {name}" for name in EVERY),
        "The database is up to date.",
    ]

    for verb in (["migrate"], ["migrate", "--check"]):
        again = quick(*verb, database_url=empty.owner_dsn)
        assert (again.status, again.stdout) == (0, "The database is up to date.\n")


def test_a_login_that_may_not_migrate_is_told_so(quick: Console, empty: Database) -> None:
    shown = quick("migrate", owner_database_url=empty.gateway_dsn)
    assert shown.status == 1
    assert shown.stderr.startswith(f"{EVERY[0]}.sql failed: permission denied")
    assert len(shown.stderr.splitlines()) == 1


def test_a_migration_that_was_edited_stops_both(quick: Console, database: Database) -> None:
    database.execute("update postgate.migration set checksum = repeat('0', 64) where version = 2")
    for verb in (["migrate"], ["migrate", "--check"]):
        shown = quick(*verb, owner_database_url=database.owner_dsn)
        assert shown.status == 1
        assert shown.stderr.startswith(f"{EVERY[1]}.sql is not the file")


def test_a_url_of_something_else_does_not_come_back(quick: Console) -> None:
    shown = quick("migrate", owner_database_url=f"postgresql://owner:{PASSWORD}@db:port/app")
    assert shown.status == 1
    assert shown.stderr.startswith("The settings are invalid:\n  POSTGATE_OWNER_DATABASE_URL is not post")
    assert PASSWORD not in shown.stderr


RECIPE = """
create schema basic_auth;
create table basic_auth.users (email text, pass text, role name);
insert into basic_auth.users values ('demo@example.com', '$2a$04$' || repeat('a', 53), 'anon');
"""


def test_users_are_taken_over_after_a_dry_run(quick: Console, empty: Database) -> None:
    empty.execute(RECIPE)
    lines = [
        *(f"applied: {name}" for name in EVERY),
        "moved: 1 user of basic_auth.users to auth.user",
    ]
    dry = quick("migrate", "--take-over", "--dry-run", owner_database_url=empty.owner_dsn)
    assert (dry.status, dry.stdout.splitlines()) == (
        0,
        [*lines, "This was a dry run: nothing was changed."],
    )
    done = quick("migrate", "--take-over", owner_database_url=empty.owner_dsn)
    assert (done.status, done.stdout.splitlines()) == (0, [*lines, "The database is up to date."])
    assert [dict(row) for row in empty.fetch("select username from auth.user")] == [
        {"username": "demo@example.com"}
    ]


def test_a_collision_is_one_sentence(quick: Console, empty: Database) -> None:
    empty.execute("create schema auth; create table auth.session (id int)")
    for verb in (["migrate"], ["migrate", "--check"]):
        shown = quick(*verb, owner_database_url=empty.owner_dsn)
        assert shown.status == 1
        assert "names of Postgate's SQL: table auth.session." in shown.stderr


def test_a_dry_run_is_only_for_taking_over(quick: Console) -> None:
    assert quick("migrate", "--dry-run", owner_database_url="postgresql://").status == 2
