"""auth.me and auth.username: who asks, as the verified claims have it."""

import json

import asyncpg
import pytest

from .visitors import Connection, Visitor

pytestmark = pytest.mark.anyio

CLAIMS = {"username": "demo", "sub": "demo", "role": "basic_subscriber"}


async def test_a_signed_in_client_is_told_its_name_and_role(visitor: Visitor) -> None:
    answer = await visitor.call("auth.me()", role="basic_subscriber", claims=CLAIMS)

    assert json.loads(answer.value) == {"username": "demo", "role": "basic_subscriber"}


async def test_an_anonymous_client_has_no_name(visitor: Visitor) -> None:
    assert json.loads((await visitor.call("auth.me()")).value) == {"username": None, "role": "anon"}
    assert (await visitor.call("auth.username()")).value is None


async def test_outside_of_a_request_there_is_nobody(connection: Connection) -> None:
    for claims in (None, ""):
        if claims is not None:
            await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
        assert await connection.fetchval("select auth.username()") is None
        assert json.loads(await connection.fetchval("select auth.me()")) == {"username": None, "role": None}


async def test_a_policy_may_use_the_name_without_a_call_for_each_row(connection: Connection) -> None:
    await connection.execute(
        "create table public.todo (owner text);"
        "insert into public.todo values ('demo'), ('alice'), (null);"
        "alter table public.todo enable row level security;"
        "create policy own on public.todo using (owner = (select auth.username()));"
        "grant select on public.todo to basic_subscriber"
    )
    plan = await connection.fetch("explain (verbose) select auth.username()")
    assert "current_setting" in plan[-1][0], "it is inlined"
    await connection.execute("select set_config('request.jwt.claims', $1, true)", json.dumps(CLAIMS))
    await connection.execute("set local role basic_subscriber")

    assert [row["owner"] for row in await connection.fetch("select owner from public.todo")] == ["demo"]


async def test_a_role_that_is_not_let_in_has_no_use_of_them(connection: Connection) -> None:
    await connection.execute("create role stranger; set local role stranger")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetchval("select auth.me()")
