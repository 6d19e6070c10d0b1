"""What the migrations find: pgcrypto elsewhere, a schema auth of another origin, another encoding."""

import asyncpg
import pytest

from app.devstack import Database
from app.operator.migrations import MigrationCollides, MigrationRefused, migrate

from .clusters import Cluster, rows
from .visitors import DEMO_HASH, LOWER_THE_COST, Connection, Visitor

pytestmark = pytest.mark.anyio


async def can_sign_in(database: Database) -> bool:
    database.execute(
        f"{LOWER_THE_COST};"
        "do $$ begin create role app_user; exception when duplicate_object then null; end $$;"
        f"select auth.add_user('demo', '{DEMO_HASH}', 'app_user')"
    )
    connection: Connection = await asyncpg.connect(database.gateway_dsn)
    visitor = Visitor(connection)
    statuses = [(await visitor.login("demo", "demo")).status, (await visitor.refresh()).status]
    await connection.close()
    return statuses == [204, 204]


def home_of_pgcrypto(database: Database) -> str:
    query = "select extnamespace::regnamespace::text from pg_extension where extname = 'pgcrypto'"
    return str(rows(database, query)[0][0])


async def test_pgcrypto_gets_a_schema_of_its_own(empty: Database) -> None:
    await migrate(empty.owner_dsn)

    assert home_of_pgcrypto(empty) == "extensions"
    assert await can_sign_in(empty)


HOMES = {
    "in public, as the recipes have it": "create extension pgcrypto",
    "in an odd schema": 'create schema "Odd; ""home"""; create extension pgcrypto schema "Odd; ""home"""',
    "in a public that is closed": "revoke all on schema public from public; create extension pgcrypto",
    "after the default privileges were revoked": (
        "alter default privileges revoke execute on functions from public; create extension pgcrypto"
    ),
}


@pytest.mark.parametrize("home", HOMES)
async def test_pgcrypto_is_used_where_it_is(empty: Database, home: str) -> None:
    empty.execute(HOMES[home])
    before = home_of_pgcrypto(empty)
    await migrate(empty.owner_dsn)

    assert home_of_pgcrypto(empty) == before
    assert await can_sign_in(empty)


async def test_pgcrypto_may_move_later_and_cannot_be_dropped_unnoticed(empty: Database) -> None:
    await migrate(empty.owner_dsn)
    empty.execute("alter extension pgcrypto set schema public; drop schema extensions")

    assert await can_sign_in(empty)
    with pytest.raises(asyncpg.DependentObjectsStillExistError):
        empty.execute("drop extension pgcrypto")


# As any login with CREATE in the schema of pgcrypto could
OVERLOADS = {
    "hmac(bytea, bytea, name)": "bytea",
    "hmac(bytea, bytea, varchar)": "bytea",
    "crypt(text, name)": "text",
    "crypt(varchar, varchar)": "text",
    "gen_salt(name, integer)": "text",
    "gen_salt(text, bigint)": "text",
    "gen_random_bytes(bigint)": "bytea",
    "gen_random_bytes(smallint)": "bytea",
}


async def test_overloads_beside_the_functions_of_pgcrypto_are_not_taken(empty: Database) -> None:
    empty.execute("create extension pgcrypto")
    for signature, result in OVERLOADS.items():
        empty.execute(
            f"create function public.{signature} returns {result} language plpgsql"
            " as $$ begin raise exception 'captured'; end $$;"
            f"grant execute on function public.{signature} to public"
        )
    await migrate(empty.owner_dsn)

    assert await can_sign_in(empty)
    empty.execute("drop function " + ", ".join(f"public.{one}" for one in OVERLOADS))


async def test_a_schema_extensions_of_another_login_is_refused(empty: Database) -> None:
    empty.execute(
        "do $$ begin create role squatter login; exception when duplicate_object then null; end $$;"
        "create schema extensions authorization squatter"
    )
    with pytest.raises(MigrationRefused, match="the schema extensions belongs to a role that is no"):
        await migrate(empty.owner_dsn)
    empty.execute("alter schema extensions owner to postgres")

    assert await migrate(empty.owner_dsn)


@pytest.mark.parametrize(
    "table", ["auth.user (username text, password text, role name)", "auth.refresh_token (token text)"]
)
async def test_tables_of_a_recipe_are_not_taken_over(empty: Database, table: str) -> None:
    empty.execute(f"create schema auth; create table {table}")
    with pytest.raises(MigrationCollides, match=f"Nothing was changed: .* table {table.partition(' ')[0]}"):
        await migrate(empty.owner_dsn)


async def test_a_recipe_moved_aside_makes_room(empty: Database) -> None:
    empty.execute("create schema auth; create table auth.user (username text)")
    with pytest.raises(MigrationCollides):
        await migrate(empty.owner_dsn)
    empty.execute("alter schema auth rename to auth_old")

    await migrate(empty.owner_dsn)
    assert await can_sign_in(empty)


async def test_a_schema_auth_with_other_things_in_it_is_kept(empty: Database) -> None:
    empty.execute("create schema auth; create function auth.mine() returns int language sql as 'select 7'")
    await migrate(empty.owner_dsn)

    assert rows(empty, "select auth.mine()") == [(7,)]
    assert await can_sign_in(empty)


async def test_another_encoding_is_refused_before_anything_is_made(cluster: Cluster) -> None:
    options = "encoding 'LATIN1' lc_collate 'C' lc_ctype 'C'"
    with cluster.database(options=options) as latin:
        with pytest.raises(MigrationRefused, match="Postgate needs a database with the encoding UTF8"):
            await migrate(latin.owner_dsn)
        assert rows(latin, "select to_regnamespace('postgate') is null") == [(True,)]
