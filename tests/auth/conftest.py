"""A database of people's own auth functions, the gateway's way to call them, and PostgREST's."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

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


async def prepare_recipes(dsn: str) -> None:
    for name in ("recipes.sql", "shapes.sql"):
        await execute(dsn, (HERE / name).read_text())
    # What the gateway hands to each call, PostgREST's calls find as the recipes tell people to set it
    await execute(dsn, f"alter database app set pgrst.jwt_secret = '{SECRET}'")


@pytest.fixture(scope="session")
def recipes(
    tmp_path_factory: pytest.TempPathFactory,
    programs: Programs,
    environ: Mapping[str, str],
    cluster_template: Path,
) -> Iterator[DevStack]:
    """The recipes' functions in one database, with PostgREST in front of their schemas."""
    with DevStack(
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
    ) as running:
        yield running


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
