"""Roles belong to the cluster: these tests take one of their own."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import asyncpg
import pytest

from app.devstack import Programs
from app.operator.migrations import MigrationRefused, migrate

from .clusters import Cluster, rows, running_cluster
from .visitors import DEMO_HASH, LOWER_THE_COST, Connection, Visitor

pytestmark = pytest.mark.anyio


@pytest.fixture
def untouched(
    tmp_path: Path, programs: Programs, environ: Mapping[str, str], cluster_template: Path
) -> Iterator[Cluster]:
    with running_cluster(tmp_path, programs, environ, cluster_template) as running:
        yield running


async def test_an_owner_who_is_no_superuser_can_migrate_and_add_users(untouched: Cluster) -> None:
    """As on managed servers: an owner of one database who may create roles."""
    untouched.maintenance.execute("create role customer login createrole; create role app_user")
    with untouched.database(options="owner customer") as database:
        await migrate(database.dsn("customer"))
        database.execute(LOWER_THE_COST)
        connection: Connection = await asyncpg.connect(database.dsn("customer"))
        await connection.execute(
            "insert into auth.user (username, password, role) values ('demo', 'demo', 'app_user')"
        )
        await connection.execute("select auth.add_user('hashed', $1, 'app_user')", DEMO_HASH)
        await connection.close()
        gateway: Connection = await asyncpg.connect(database.gateway_dsn)
        for user in ("demo", "hashed"):
            assert (await Visitor(gateway).login(user, "demo")).status == 204
        await gateway.close()

        owners = (
            "select distinct pg_get_userbyid(proowner) from pg_proc where pronamespace = 'auth'::regnamespace"
        )
        assert rows(database, owners) == [("auth_owner",)]


async def test_roles_that_exist_stay_as_they_are(untouched: Cluster) -> None:
    untouched.maintenance.execute(
        "create role authenticator login noinherit connection limit 7 password 'kept'"
        " valid until '2100-01-01';"
        "create role anon nologin; create role gateway login inherit password 'kept';"
        "comment on role anon is 'mine'"
    )
    roles = (
        "select a, shobj_description(oid, 'pg_authid') from pg_authid as a"
        " where rolname in ('authenticator', 'anon', 'gateway') order by rolname"
    )
    before = rows(untouched.maintenance, roles)
    with untouched.database() as database:
        await migrate(database.owner_dsn)
        assert rows(untouched.maintenance, roles) == before
        assert rows(database, "select pg_has_role('gateway', 'anon', 'member')") == [(True,)]


async def test_a_role_that_is_a_superuser_is_refused(untouched: Cluster) -> None:
    with untouched.database() as database:
        for name in ("anon", "authenticator", "gateway", "signed_in", "auth_owner"):
            database.execute(f"create role {name} superuser")
            with pytest.raises(MigrationRefused, match=f"the role {name} is a superuser"):
                await migrate(database.owner_dsn)
            database.execute(f"alter role {name} nosuperuser")

        await migrate(database.owner_dsn)


async def test_a_second_database_of_the_cluster_shares_the_roles(untouched: Cluster) -> None:
    with untouched.database() as first, untouched.database() as second:
        for database in (first, second):
            await migrate(database.owner_dsn)
            memberships = "select count(*) from pg_auth_members where member = 'gateway'::regrole"
            assert rows(database, memberships) == [(1,)]
