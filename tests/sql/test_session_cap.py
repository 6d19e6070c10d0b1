"""A user has so many sessions at most; beyond that the one ends that was not renewed for longest."""

import asyncio

import pytest

from .conftest import Connect
from .visitors import DEMO_HASH, Connection, Visitor, age, live_sessions, start_session

pytestmark = pytest.mark.anyio

CAP = "update auth.setting set value = $1 where name = 'sessions_per_user'"
REASONS = "select id::text, ended_reason from auth.session where ended_at is not null"


async def test_the_21st_ends_the_first(connection: Connection, visitor: Visitor) -> None:
    first = [Visitor(connection, {"refresh_token": await start_session(connection)}) for _ in range(20)]
    assert await live_sessions(connection) == 20
    await visitor.login()

    assert await live_sessions(connection) == 20
    assert [row["ended_reason"] for row in await connection.fetch(REASONS)] == ["too_many_sessions"]
    assert [(await one.refresh()).status for one in first[:2]] == [401, 204]
    assert (await visitor.refresh()).status == 204


async def test_a_session_in_use_outlives_one_that_is_not(connection: Connection, visitor: Visitor) -> None:
    await connection.execute(CAP, 2)
    old, idle = [Visitor(connection, {"refresh_token": await start_session(connection)}) for _ in "ab"]
    await age(connection, 600)
    await old.refresh()
    await visitor.login()

    assert [(await one.refresh()).status for one in (old, idle, visitor)] == [204, 401, 204]


async def test_a_lower_cap_ends_the_rest_at_the_next_login(connection: Connection, visitor: Visitor) -> None:
    for _ in range(5):
        await start_session(connection)
    await connection.execute(CAP, 1)
    assert await live_sessions(connection) == 5
    await visitor.login()

    assert await live_sessions(connection) == 1
    assert (await visitor.refresh()).status == 204


async def test_sessions_that_are_over_and_those_of_others_do_not_count(
    connection: Connection, visitor: Visitor
) -> None:
    await connection.execute(CAP, 2)
    await connection.execute("select auth.add_user('eve', $1, 'basic_subscriber')", DEMO_HASH)
    for _ in range(3):
        await start_session(connection, "eve")
    for _ in range(3):
        token = await start_session(connection)
        await Visitor(connection, {"refresh_token": token}).logout()
    kept = Visitor(connection, {"refresh_token": await start_session(connection)})
    await visitor.login()

    assert await live_sessions(connection, "eve") == 3
    assert [(await one.refresh()).status for one in (kept, visitor)] == [204, 204]


async def test_logins_at_once_do_not_exceed_it(connect: Connect, owner: Connection) -> None:
    await owner.execute(CAP, 2)
    visitors = [Visitor(await connect()) for _ in range(6)]
    answers = await asyncio.gather(*(visitor.login() for visitor in visitors))

    assert {answer.status for answer in answers} == {204}
    assert await live_sessions(owner) == 2
