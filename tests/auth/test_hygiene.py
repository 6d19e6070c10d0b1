"""Nothing of one call reaches the next, and a call that ends early gives its connection back."""

import asyncio
import json
from typing import Any

import anyio
import asyncpg
import pytest

from app.auth.functions import AuthFunctions
from app.devstack import DevStack
from app.errors import DatabaseBusy

from .calling import JSON, post, through_gateway
from .conftest import SECRET, SETTINGS, OpenPool, Pool, until_asleep

pytestmark = pytest.mark.anyio

SLOW = post("slow", '{"seconds":30}')
LOGIN = post("login", '{"user_":"demo","pass":"demo"}')


def _functions(pool: Pool, *, acquire_seconds: float = 5, call_seconds: float = 30) -> AuthFunctions:
    return AuthFunctions(
        pool,
        schema="auth",
        anon_role="anon",
        settings=SETTINGS,
        acquire_seconds=acquire_seconds,
        call_seconds=call_seconds,
    )


async def test_cookies_of_a_login_do_not_come_with_the_next_answer(open_pool: OpenPool) -> None:
    async with open_pool(size=1) as pool:
        functions = _functions(pool)
        first = await through_gateway(functions, LOGIN)
        second = await through_gateway(functions, post("login", '{"user_":"demo","pass":"bad"}'))
        third = await through_gateway(functions, post("st_void", '{"s":"200"}'))

    assert (first.status, second.status, third.status) == (204, 401, 200)
    assert all(name.lower() != b"set-cookie" for name, _ in [*second.headers, *third.headers])


async def test_a_session_is_as_new_after_a_call(open_pool: OpenPool) -> None:
    async with open_pool(size=1) as pool:
        await through_gateway(_functions(pool), post("leaves_marks"))
        names = (
            "app.mark",
            "app.settings.jwt_secret",
            "request.headers",
            "request.cookies",
            "response.headers",
        )
        async with pool.acquire() as connection:
            left = [await connection.fetchval("select current_setting($1, true)", name) for name in names]
            role = await connection.fetchval("select current_user")
            path = await connection.fetchval("select current_setting('search_path')")

    assert (role, path) == ("gateway", '"$user", public')
    assert not any(left)


async def test_a_call_is_its_own_even_on_a_session_that_nobody_cleaned(recipes: DevStack) -> None:
    async def leave_it(_: Any) -> None: ...

    async with asyncpg.create_pool(recipes.gateway_dsn, min_size=0, max_size=1, reset=leave_it) as pool:
        functions = _functions(pool)
        await through_gateway(functions, post("leaves_marks"))
        reply = await through_gateway(functions, post("ctx"))

    seen = json.loads(reply.body)
    assert (reply.status, reply.headers[0]) == (200, (b"Content-Range", b"0-0/*"))
    assert (seen["role"], seen["secret"], seen["ro"]) == ("anon", SECRET, "off")


async def test_an_answer_is_given_even_if_the_connection_cannot_be_given_back(recipes: DevStack) -> None:
    """What was committed happened: the client must have its cookies."""

    async def fail(_: Any) -> None:
        raise asyncpg.InterfaceError("lost after the commit")

    async with asyncpg.create_pool(recipes.gateway_dsn, min_size=0, max_size=1, reset=fail) as pool:
        functions = _functions(pool)
        replies = [await through_gateway(functions, LOGIN) for _ in range(2)]

    assert [reply.status for reply in replies] == [204, 204]


async def test_concurrent_calls_see_their_own_cookies(open_pool: OpenPool) -> None:
    async with open_pool(size=3) as pool:
        functions = _functions(pool)
        requests = [
            post("cookie", '{"name":"a"}', JSON, (b"cookie", b"a=%d" % number)) for number in range(60)
        ]
        replies = await asyncio.gather(*(through_gateway(functions, request) for request in requests))

    assert [reply.body for reply in replies] == [b'"%d"' % number for number in range(60)]


@pytest.mark.parametrize("way", ["task", "scope"])
async def test_a_cancelled_call_stops_in_the_database_and_frees_its_connection(
    recipes: DevStack, open_pool: OpenPool, way: str
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    async with open_pool(size=1) as pool:
        functions = _functions(pool)
        if way == "task":
            task = asyncio.create_task(through_gateway(functions, SLOW))
            await until_asleep(recipes, 1)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        else:  # cancels again and again until the block is left
            async with anyio.create_task_group() as group:
                group.start_soon(through_gateway, functions, SLOW)
                await until_asleep(recipes, 1)
                group.cancel_scope.cancel()
        await until_asleep(recipes, 0)
        reply = await through_gateway(functions, post("scalar_int"))
        connections = pool.get_size()

    assert (reply.body, connections) == (b"1", 1)
    assert complaints == []


async def test_a_call_that_takes_too_long_is_stopped(recipes: DevStack, open_pool: OpenPool) -> None:
    async with open_pool(size=1) as pool:
        functions = _functions(pool, call_seconds=0.1)
        with pytest.raises(DatabaseBusy):
            await through_gateway(functions, SLOW)
        await until_asleep(recipes, 0)
        assert (await through_gateway(functions, post("scalar_int"))).status == 200


async def test_the_pools_own_time_limit_is_the_same_refusal(recipes: DevStack) -> None:
    async with asyncpg.create_pool(recipes.gateway_dsn, min_size=0, max_size=1, command_timeout=0.1) as pool:
        functions = _functions(pool)
        with pytest.raises(DatabaseBusy):
            await through_gateway(functions, SLOW)
        await until_asleep(recipes, 0)
        assert (await through_gateway(functions, post("scalar_int"))).status == 200


async def test_when_every_connection_is_in_use_a_call_does_not_wait_for_ever(
    recipes: DevStack, open_pool: OpenPool
) -> None:
    """J11, with 503 where PostgREST has 504: the database is busy, and nothing was asked of it."""
    async with open_pool(size=1) as pool, asyncio.TaskGroup() as group:
        functions = _functions(pool, acquire_seconds=0.1)
        slow = group.create_task(through_gateway(functions, post("slow", '{"seconds":0.5}')))
        await until_asleep(recipes, 1)
        with pytest.raises(DatabaseBusy) as busy:
            await through_gateway(functions, post("scalar_int"))
        assert (await slow).status == 204

    assert (busy.value.status, busy.value.code) == (503, "GW401")
