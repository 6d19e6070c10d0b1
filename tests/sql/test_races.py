"""Sessions under concurrency, on connections of their own: every interleaving is arranged, not hoped for."""

import asyncio

import pytest

from .conftest import Connect
from .test_login import RAISE_THE_COST
from .visitors import Answer, Connection, Visitor, is_waiting, live_sessions, start_session

pytestmark = pytest.mark.anyio


@pytest.fixture
async def token(owner: Connection) -> str:
    return await start_session(owner)


async def tokens(owner: Connection) -> int:
    count: int = await owner.fetchval("select count(*) from auth.refresh_token")
    return count


async def test_fifty_refreshes_of_one_token_have_one_successor(
    connect: Connect, owner: Connection, token: str
) -> None:
    visitors = [Visitor(await connect(), {"refresh_token": token}) for _ in range(50)]
    answers = await asyncio.gather(*(visitor.refresh() for visitor in visitors))

    assert {answer.status for answer in answers} == {204}
    assert len({answer.cookie("refresh_token").value for answer in answers}) == 1
    assert len({answer.cookie("access_token").value for answer in answers}) == 50
    assert await owner.fetchval("select count(replaced_at) from auth.refresh_token") == 1
    assert await tokens(owner) == 2
    assert await live_sessions(owner) == 1


async def test_a_refresh_whose_winner_is_rolled_back_wins_itself(
    connect: Connect, owner: Connection, token: str
) -> None:
    first, second = [Visitor(await connect(), {"refresh_token": token}) for _ in range(2)]
    transaction = first.connection.transaction()
    await transaction.start()
    lost = await first.refresh()
    waiting = asyncio.create_task(second.refresh())
    await is_waiting(owner, second.connection)
    await transaction.rollback()
    won = await waiting

    assert won.status == 204
    assert won.cookie("refresh_token").value == lost.cookie("refresh_token").value, "an answer already sent"
    assert await tokens(owner) == 2


async def test_a_refresh_under_way_does_not_survive_a_logout(
    connect: Connect, owner: Connection, token: str
) -> None:
    refreshing, leaving = [Visitor(await connect(), {"refresh_token": token}) for _ in range(2)]
    transaction = refreshing.connection.transaction()
    await transaction.start()
    assert (await refreshing.refresh()).status == 204
    logout = asyncio.create_task(leaving.logout())
    await is_waiting(owner, leaving.connection)
    await transaction.commit()

    assert (await logout).status == 204
    assert await live_sessions(owner) == 0
    assert (await refreshing.refresh()).status == 401


async def test_a_refresh_that_waited_for_a_logout_finds_nothing(
    connect: Connect, owner: Connection, token: str
) -> None:
    refreshing, leaving = [Visitor(await connect(), {"refresh_token": token}) for _ in range(2)]
    transaction = leaving.connection.transaction()
    await transaction.start()
    await leaving.logout()
    refresh = asyncio.create_task(refreshing.refresh())
    await is_waiting(owner, refreshing.connection)
    await transaction.commit()

    assert (await refresh).status == 401
    assert await live_sessions(owner) == 0


async def test_a_refresh_under_way_does_not_survive_a_new_password(
    connect: Connect, owner: Connection, token: str
) -> None:
    refreshing, admin = Visitor(await connect(), {"refresh_token": token}), await connect()
    transaction = refreshing.connection.transaction()
    await transaction.start()
    await refreshing.refresh()
    change = asyncio.create_task(admin.execute("update auth.user set password = 'new'"))
    await is_waiting(owner, admin)
    await transaction.commit()
    await change

    assert await live_sessions(owner) == 0


@pytest.mark.parametrize("change", ["password = 'new'", "disabled_at = now()"])
async def test_a_login_checked_against_what_is_no_longer_so_is_refused(
    connect: Connect, owner: Connection, change: str
) -> None:
    visitor, admin = Visitor(await connect()), await connect()
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute(f"update auth.user set {change}")  # noqa: S608 (of two constants)
    login = asyncio.create_task(visitor.login("demo", "demo"))
    await is_waiting(owner, visitor.connection)
    await transaction.commit()

    assert (await login).status == 401
    assert await live_sessions(owner) == 0


async def test_a_login_under_way_does_not_survive_a_new_password(connect: Connect, owner: Connection) -> None:
    visitor, admin = Visitor(await connect()), await connect()
    transaction = visitor.connection.transaction()
    await transaction.start()
    assert (await visitor.login("demo", "demo")).status == 204
    change = asyncio.create_task(admin.execute("update auth.user set password = 'new'"))
    await is_waiting(owner, admin)
    await transaction.commit()
    await change

    assert await live_sessions(owner) == 0


async def test_logins_and_logouts_of_one_user_do_not_deadlock(connect: Connect, owner: Connection) -> None:
    """Each login raises the hash as well: all of them want the same row."""
    await owner.execute(RAISE_THE_COST)

    async def come_and_go(visitor: Visitor) -> list[Answer]:
        return [await visitor.login(), await visitor.refresh(), await visitor.logout()]

    visitors = [Visitor(await connect()) for _ in range(4)]
    answers = await asyncio.gather(*(come_and_go(visitor) for visitor in visitors))

    assert {answer.status for mine in answers for answer in mine} == {204}
    assert await live_sessions(owner) == 0
