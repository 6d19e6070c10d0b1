"""A database that is down, restarted, hung, read-only or not what it should be."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import asyncpg
import pytest

from app.auth.functions import AuthFunctions
from app.devstack import DevStack
from app.errors import DatabaseBusy, DatabaseUnavailable, InternalError, render

from .calling import post, through_gateway
from .conftest import POOL_SECONDS, SETTINGS, MakeRecipes, Pool, until_asleep

pytestmark = pytest.mark.anyio

LOGIN = post("login", '{"user_":"demo","pass":"demo"}')
READ = post("scalar_int")
DEADLINE_SECONDS = 10.0
POOL_SIZE = 3


@pytest.fixture(scope="module")
def fragile(make_recipes: MakeRecipes) -> Iterator[DevStack]:
    """A stack to stop and break; every test leaves it running."""
    with make_recipes() as stack:
        yield stack


@asynccontextmanager
async def _calling(
    dsn: str, *, role: str = "anon", call_seconds: float = 5, seconds: float = POOL_SECONDS
) -> AsyncIterator[tuple[AuthFunctions, Pool]]:
    async with asyncpg.create_pool(
        dsn, min_size=0, max_size=POOL_SIZE, command_timeout=seconds, timeout=seconds
    ) as pool:
        yield (
            AuthFunctions(
                pool,
                schema="auth",
                anon_role=role,
                settings=SETTINGS,
                acquire_seconds=1,
                call_seconds=call_seconds,
            ),
            pool,
        )


async def _warm(functions: AuthFunctions) -> None:
    """Open every connection of the pool."""
    replies = await asyncio.gather(
        *(through_gateway(functions, post("slow", '{"seconds":0.05}')) for _ in range(3))
    )
    assert [reply.status for reply in replies] == [204] * 3


async def test_down_it_is_unavailable_and_back_it_serves(fragile: DevStack) -> None:
    """J1, J3: PostgREST's answer names the host and the port; this one names nothing."""
    async with _calling(fragile.gateway_dsn) as (functions, _):
        await _warm(functions)
        fragile.postgres.stop()
        for _ in range(2):
            with pytest.raises(DatabaseUnavailable) as down:
                await through_gateway(functions, LOGIN)
            status, headers, body = render(down.value, b"id")
            assert (status, dict(headers)[b"Retry-After"]) == (503, b"1")
            said = body.decode() + down.value.reason + str(down.value)
            assert not any(secret in said for secret in (str(fragile.run_folder), "5432", "gateway", "demo"))
        fragile.postgres.start()
        assert (await through_gateway(functions, LOGIN)).status == 204


async def test_after_a_restart_the_first_call_succeeds(fragile: DevStack) -> None:
    async with _calling(fragile.gateway_dsn) as (functions, _):
        await _warm(functions)
        fragile.postgres.restart()
        for _ in range(POOL_SIZE + 1):
            assert (await through_gateway(functions, LOGIN)).status == 204


async def test_hung_it_is_busy_and_resumed_it_serves(fragile: DevStack) -> None:
    postgres = fragile.postgres
    async with _calling(fragile.gateway_dsn, call_seconds=0.3, seconds=0.5) as (functions, _):
        assert (await through_gateway(functions, LOGIN)).status == 204
        postgres.pause()
        try:
            with anyio.fail_after(DEADLINE_SECONDS), pytest.raises((DatabaseBusy, DatabaseUnavailable)):
                await through_gateway(functions, LOGIN)
        finally:
            postgres.resume()
        assert (await through_gateway(functions, LOGIN)).status == 204


async def test_a_session_that_is_ended_while_idle_is_replaced(recipes: DevStack) -> None:
    async with _calling(recipes.gateway_dsn) as (functions, _):
        await _warm(functions)
        # The loop stands still until they have ended: nothing has told the pool yet
        recipes.database.fetch(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'gateway'"
        )
        assert (await through_gateway(functions, LOGIN)).status == 204


async def test_a_session_that_is_ended_in_the_middle_of_a_call_is_an_outage(recipes: DevStack) -> None:
    """The call is not made again: nobody knows what it did."""
    end = "select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'PgSleep'"
    async with _calling(recipes.gateway_dsn) as (functions, _):
        task = asyncio.create_task(through_gateway(functions, post("slow", '{"seconds":30}')))
        await until_asleep(recipes, 1)
        recipes.database.fetch(end)
        with pytest.raises(DatabaseUnavailable):
            await task
        assert (await through_gateway(functions, LOGIN)).status == 204


async def test_a_login_that_is_not_let_in_is_an_outage_and_not_a_wrong_password(recipes: DevStack) -> None:
    async with _calling(recipes.database.dsn("nobody_at_all")) as (functions, _):
        with pytest.raises(DatabaseUnavailable) as refused:
            await through_gateway(functions, LOGIN)
    assert "nobody_at_all" not in refused.value.reason


@pytest.mark.parametrize("role", ["nobody_at_all", "basic_subscriber"])
async def test_an_anonymous_role_that_cannot_be_taken_is_our_fault(recipes: DevStack, role: str) -> None:
    """Not 401, as the table would have it: no client can do anything about it."""
    async with _calling(recipes.gateway_dsn, role=role) as (functions, _):
        with pytest.raises(InternalError) as failed:
            await through_gateway(functions, LOGIN)
    assert failed.value.reason.startswith("preparing the call: ")


async def test_a_session_that_is_read_only_by_default_still_writes(recipes: DevStack) -> None:
    recipes.database.execute("alter role gateway set default_transaction_read_only = on")
    try:
        async with _calling(recipes.gateway_dsn) as (functions, _):
            assert (await through_gateway(functions, LOGIN)).status == 204
    finally:
        recipes.database.execute("alter role gateway reset default_transaction_read_only")


async def test_a_standby_is_unavailable_for_writing_until_it_is_promoted(fragile: DevStack) -> None:
    fragile.postgres.stop()
    (fragile.postgres.data / "standby.signal").touch()
    fragile.postgres._child = fragile.postgres._launch()  # start() waits for a server that writes
    async with _calling(fragile.gateway_dsn) as (functions, _):
        with anyio.fail_after(DEADLINE_SECONDS):
            while True:
                try:
                    assert (await through_gateway(functions, READ)).status == 200
                    break
                except DatabaseUnavailable:
                    await asyncio.sleep(0.01)
        with pytest.raises(DatabaseUnavailable) as standby:
            await through_gateway(functions, LOGIN)
        assert standby.value.reason == "the server is a read-only standby"
        fragile.database.fetch("select pg_promote()")
        assert (await through_gateway(functions, LOGIN)).status == 204
