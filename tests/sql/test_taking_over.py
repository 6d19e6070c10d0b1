"""`postgate migrate` looks first, and `--take-over` moves the users of the recipes' tables."""

from pathlib import Path

import asyncpg
import pytest

from app.devstack import Database
from app.operator.migrations import MigrationCollides, MigrationError, MigrationRefused, migrate, pending
from app.operator.owner import OwnerRefused
from app.operator.taking_over import TakenOver, take_over

from .clusters import rows
from .visitors import DEMO_HASH, LOWER_THE_COST, Connection, Visitor

pytestmark = pytest.mark.anyio

RECIPES = Path(__file__).parents[1] / "suggest/sql"
USERS = {
    "cookies": "insert into auth.user values ('demo', 'demo', 'member'), ('alice', 'alice', 'member')",
    "workshop": (
        "insert into auth.users (email, password_hash, role, active) values"
        " ('demo@example.com', '<hash>', 'member', true), ('alice@example.com', '<hash>', 'member', false)"
    ),
    "sql_users": (
        "insert into basic_auth.users values"
        " ('demo@example.com', '<hash>', 'member'), ('alice@example.com', '<hash>', 'member')"
    ),
}
COLLISIONS = {
    "cookies": (
        "table auth.refresh_token, table auth.user, function auth.login(text, text), function auth.logout(), "
        "function auth.refresh_token()"
    ),
    "workshop": "function auth.login(text, text), function auth.refresh_token(uuid)",
}
MOVED = {
    "cookies": ("auth_old.user", ["alice", "demo"], [], []),
    "workshop": (
        "auth_old.users",
        ["alice@example.com", "demo@example.com"],
        ["alice@example.com", "demo@example.com"],
        ["alice@example.com"],
    ),
    "sql_users": (
        "basic_auth.users",
        ["alice@example.com", "demo@example.com"],
        ["alice@example.com", "demo@example.com"],
        [],
    ),
}


def users(name: str) -> str:
    return USERS[name].replace("<hash>", DEMO_HASH)


def load_recipe(database: Database, name: str) -> None:
    for file in ("common", name):
        database.execute((RECIPES / f"{file}.sql").read_text())
    database.execute(users(name))


def column(database: Database, expression: str) -> list[str]:
    return [str(row[0]) for row in rows(database, f"select {expression} order by 1")]


def everything(database: Database) -> list[tuple[object, ...]]:
    """The objects and schemas of the project, and the roles' memberships."""
    return [
        *rows(database, "select relname::text, relnamespace::regnamespace::text from pg_class order by 1, 2"),
        *rows(database, "select oid::regprocedure::text, prosrc from pg_proc order by 1"),
        *rows(
            database, "select roleid::regrole::text, member::regrole::text from pg_auth_members order by 1, 2"
        ),
    ]


@pytest.mark.parametrize("name", COLLISIONS)
async def test_what_collides_is_named_before_anything_is_changed(empty: Database, name: str) -> None:
    load_recipe(empty, name)
    before = everything(empty)
    for verb in (migrate, pending):
        with pytest.raises(MigrationCollides) as refused:
            await verb(empty.owner_dsn)
        assert f": {COLLISIONS[name]}. " in str(refused.value)
        assert "--take-over --dry-run" in str(refused.value)
    assert everything(empty) == before


async def test_a_schema_with_a_name_of_postgates_collides(empty: Database) -> None:
    empty.execute("create schema auth_private")
    with pytest.raises(MigrationCollides, match=r"schema auth_private\. Rename these schemas first"):
        await migrate(empty.owner_dsn)


async def test_other_objects_in_a_schema_auth_do_not_collide(empty: Database) -> None:
    empty.execute(
        "create schema auth; create table auth.users (id int);"
        "create function auth.mine() returns int language sql as 'select 1'"
    )
    assert await migrate(empty.owner_dsn)
    empty.execute("create function auth.login(a int) returns int language sql as 'select 1'")
    assert await migrate(empty.owner_dsn) == []  # a later overload is the project's choice


@pytest.mark.parametrize("name", USERS)
async def test_users_of_a_recipe_sign_in_with_their_passwords(empty: Database, name: str) -> None:
    load_recipe(empty, name)
    table, names, emails, disabled = MOVED[name]
    done = await take_over(empty.owner_dsn, anon_role="anon", dry_run=False)

    assert (done.table, done.users, done.is_renamed) == (table, 2, name != "sql_users")
    assert column(empty, "username from auth.user") == names
    assert column(empty, "email from auth.user where email is not null") == emails
    assert column(empty, "username from auth.user where disabled_at is not null") == disabled
    empty.execute(LOWER_THE_COST)
    connection: Connection = await asyncpg.connect(empty.gateway_dsn)
    statuses = [
        (await Visitor(connection).login(user, password)).status
        for user, password in ((names[1], "demo"), (names[1], "wrong"))
    ]
    await connection.close()
    assert statuses == [204, 401]
    assert await pending(empty.owner_dsn) == []


@pytest.mark.parametrize("name", USERS)
async def test_a_dry_run_says_the_same_and_changes_nothing(empty: Database, name: str) -> None:
    load_recipe(empty, name)
    before = everything(empty)
    dry = await take_over(empty.owner_dsn, anon_role="anon", dry_run=True)
    assert everything(empty) == before
    assert await take_over(empty.owner_dsn, anon_role="anon", dry_run=False) == dry


async def test_users_move_into_a_database_that_is_migrated_already(own: Database) -> None:
    own.execute(
        "create schema basic_auth; create table basic_auth.users (email text, pass text, role name);"
        + users("sql_users").replace("'member'", "'basic_subscriber'")
    )
    done = await take_over(own.owner_dsn, anon_role="anon", dry_run=False)
    assert done == TakenOver("basic_auth.users", 2, is_renamed=False, applied=())


UNFIT = {
    "have no bcrypt hash with the prefix": "update basic_auth.users set pass = 'plain' where email ~ 'demo'",
    "have roles that do not exist: nothing_like_it": "update basic_auth.users set role = 'nothing_like_it'",
}


@pytest.mark.parametrize("reason", UNFIT)
async def test_a_user_that_does_not_fit_stops_all_of_it(empty: Database, reason: str) -> None:
    load_recipe(empty, "sql_users")
    empty.execute(UNFIT[reason])
    before = everything(empty)
    with pytest.raises(OwnerRefused, match=reason) as refused:
        await take_over(empty.owner_dsn, anon_role="anon", dry_run=False)
    assert "demo@example.com" not in str(refused.value)
    assert everything(empty) == before


async def test_a_privileged_role_of_a_user_stops_all_of_it(empty: Database) -> None:
    load_recipe(empty, "sql_users")
    empty.execute("update basic_auth.users set role = 'postgres'")
    before = everything(empty)
    with pytest.raises(MigrationRefused, match="Taking the users over failed"):
        await take_over(empty.owner_dsn, anon_role="anon", dry_run=False)
    assert everything(empty) == before


async def test_without_a_known_table_nothing_is_done(empty: Database) -> None:
    empty.execute(
        "create schema basic_auth; create view basic_auth.users as select 'a' as email, 'b' as pass"
    )
    with pytest.raises(OwnerRefused, match="no table of users of a known recipe was found"):
        await take_over(empty.owner_dsn, anon_role="anon", dry_run=False)
    assert rows(empty, "select 1 from pg_namespace where nspname = 'postgate'") == []


async def test_the_anonymous_role_of_the_project_signs_users_in(empty: Database) -> None:
    load_recipe(empty, "sql_users")
    await migrate(empty.owner_dsn, anon_role="web_anon")
    assert await migrate(empty.owner_dsn, anon_role="web_anon") == []
    [[may_call, may_become]] = rows(
        empty,
        "select has_function_privilege('web_anon', 'auth.login(text, text)', 'execute'),"
        " pg_has_role('gateway', 'web_anon', 'member')",
    )
    assert (may_call, may_become) == (True, True)


@pytest.mark.parametrize(
    ("role", "reason"),
    [("no_such_role", "does not exist"), ("postgres", "may become a privileged role")],
)
async def test_another_anonymous_role_must_be_there_and_without_power(
    empty: Database, role: str, reason: str
) -> None:
    with pytest.raises(MigrationError, match=reason):
        await migrate(empty.owner_dsn, anon_role=role)
    assert rows(empty, "select 1 from pg_namespace where nspname = 'postgate'") == []
