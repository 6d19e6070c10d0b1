"""A database of people's own auth functions, the gateway's way to call them, and PostgREST's."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

import anyio
import asyncpg
import pytest

from app.auth.functions import AuthFunctions, reset_session
from app.auth.replies import Reply
from app.devstack import DevStack, PostgrestOptions, Programs, execute

from .calling import Request, through_gateway

Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"  # generic in its stubs alone

HERE = Path(__file__).parent
SECRET = "a secret of at least thirty-two bytes"
SETTINGS = {"app.settings.jwt_secret": SECRET, "pgrst.jwt_secret": SECRET}
POOL_SECONDS = 5.0
DEADLINE_SECONDS = 5.0


async def prepare_recipes(dsn: str) -> None:
    for name in ("recipes.sql", "shapes.sql"):
        await execute(dsn, (HERE / name).read_text())
    # What the gateway hands to each call, PostgREST's calls find as the recipes tell people to set it
    await execute(dsn, f"alter database app set pgrst.jwt_secret = '{SECRET}'")


class MakeRecipes(Protocol):
    def __call__(self) -> DevStack: ...


@pytest.fixture(scope="session")
def make_recipes(
    tmp_path_factory: pytest.TempPathFactory,
    programs: Programs,
    environ: Mapping[str, str],
    cluster_template: Path,
) -> MakeRecipes:
    """Make a stack with the recipes' functions in its database, and PostgREST in front of their schemas."""

    def make() -> DevStack:
        return DevStack(
            tmp_path_factory.mktemp("recipes"),
            programs,
            environ=environ,
            prepare=prepare_recipes,
            options=lambda secret: PostgrestOptions(
                jwt_secret=secret, schemas=("auth", "docs"), app_settings={"jwt_secret": SECRET}
            ),
            template=cluster_template,
            durable=False,
            keep=False,
        )

    return make


@pytest.fixture(scope="session")
def recipes(make_recipes: MakeRecipes) -> Iterator[DevStack]:
    with make_recipes() as stack:
        yield stack


class OpenPool(Protocol):
    def __call__(self, dsn: str | None = None, *, size: int = 4) -> AbstractAsyncContextManager[Pool]: ...


@pytest.fixture
def open_pool(recipes: DevStack) -> OpenPool:
    @asynccontextmanager
    async def opened(dsn: str | None = None, *, size: int = 4) -> AsyncIterator[Pool]:
        async with asyncpg.create_pool(
            dsn or recipes.gateway_dsn,
            min_size=0,
            max_size=size,
            command_timeout=POOL_SECONDS,
            timeout=POOL_SECONDS,
            reset=reset_session,
        ) as pool:
            yield pool

    return opened


@pytest.fixture
async def pool(open_pool: OpenPool) -> AsyncIterator[Pool]:
    async with open_pool() as pool:
        yield pool


@pytest.fixture
def functions(pool: Pool) -> AuthFunctions:
    return AuthFunctions(pool, schema="auth", anon_role="anon", settings=SETTINGS)


class Call(Protocol):
    async def __call__(self, request: Request) -> Reply: ...


@pytest.fixture
def call(pool: Pool) -> Call:
    """Make a call through the gateway, in whichever schema the request names."""
    by_schema: dict[str, AuthFunctions] = {}

    async def make(request: Request) -> Reply:
        functions = by_schema.setdefault(
            request.schema,
            AuthFunctions(pool, schema=request.schema, anon_role="anon", settings=SETTINGS),
        )
        return await through_gateway(functions, request)

    return make


async def until_asleep(stack: DevStack, count: int) -> None:
    """Wait until so many calls of the slow function are at work in the database."""
    query = "select count(*) from pg_stat_activity where state = 'active' and wait_event = 'PgSleep'"
    with anyio.fail_after(DEADLINE_SECONDS):
        while stack.database.fetch(query)[0][0] != count:  # noqa: ASYNC110 (no event tells of it)
            await anyio.sleep(0.005)
