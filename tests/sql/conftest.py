"""One bare cluster for each pytest-xdist worker; what is migrated once is copied or rolled back."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypeAlias

import asyncpg
import pytest

from app.devstack import Database, Programs
from app.devstack.database import run_now
from app.operator.migrations import migrate

from .clusters import Cluster, running_cluster
from .visitors import DEMO_HASH, LOWER_THE_COST, Connection, Visitor

Connect: TypeAlias = Callable[[], Awaitable[Connection]]

PREPARATIONS = f"""
{LOWER_THE_COST};
do $$ begin create role basic_subscriber nologin; exception when duplicate_object then null; end $$;
grant basic_subscriber to authenticator;
grant signed_in to basic_subscriber;
select auth.add_user('demo', '{DEMO_HASH}', 'basic_subscriber');
"""


@pytest.fixture(scope="session")
def cluster(
    tmp_path_factory: pytest.TempPathFactory,
    programs: Programs,
    environ: Mapping[str, str],
    cluster_template: Path,
) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    with running_cluster(folder, programs, environ, cluster_template) as running:
        yield running


@pytest.fixture(scope="session")
def migrated(cluster: Cluster) -> Iterator[str]:
    """The name of a migrated database with the user demo, to copy; nobody may connect to it."""
    with cluster.database() as database:
        run_now(migrate(database.owner_dsn))
        database.execute(PREPARATIONS)
        yield database.name


@pytest.fixture(scope="session")
def shared(cluster: Cluster, migrated: str) -> Iterator[Database]:
    """For tests that roll back."""
    with cluster.database(migrated) as database:
        yield database


@pytest.fixture
def own(cluster: Cluster, migrated: str) -> Iterator[Database]:
    """For tests that commit."""
    with cluster.database(migrated) as database:
        yield database


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Database]:
    with cluster.database() as database:
        yield database


@pytest.fixture
async def connection(shared: Database) -> AsyncIterator[Connection]:
    """The owner's, in a transaction that is rolled back."""
    connection: Connection = await asyncpg.connect(shared.owner_dsn)
    transaction = connection.transaction()
    await transaction.start()
    yield connection
    await transaction.rollback()
    await connection.close()


@pytest.fixture
async def connect(own: Database) -> AsyncIterator[Connect]:
    """Connections of the owner's that commit."""
    async with AsyncExitStack() as stack:

        async def connect() -> Connection:
            connection: Connection = await asyncpg.connect(own.owner_dsn)
            stack.push_async_callback(connection.close)
            return connection

        yield connect


@pytest.fixture
async def owner(connect: Connect) -> Connection:
    return await connect()


@pytest.fixture
def visitor(connection: Connection) -> Visitor:
    return Visitor(connection)
