"""A new role revokes access tokens at once, and the sessions go on: the next renewal brings the new role."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.devstack import Database

from .conftest import Connect
from .ears import Ears
from .test_account import SESSIONS, is_refused
from .visitors import DEMO_HASH, Connection, Visitor, is_waiting, live_sessions

pytestmark = pytest.mark.anyio

CHANGE = "update auth.user set role = 'premium' where username = 'demo'"
LISTED = "select sid from auth.ended_sessions()"


@pytest.fixture
async def gateway(own: Database) -> AsyncIterator[Connection]:
    connection: Connection = await asyncpg.connect(own.gateway_dsn)
    yield connection
    await connection.close()


@pytest.fixture(autouse=True)
async def premium(owner: Connection) -> None:
    await owner.execute(
        "do $$ begin create role premium nologin; exception when duplicate_object then null; end $$"
    )


async def test_every_session_of_the_user_is_told_of_and_goes_on(
    connect: Connect, owner: Connection, gateway: Connection
) -> None:
    await owner.execute("select auth.add_user('eve', $1, 'basic_subscriber')", DEMO_HASH)
    ears = await Ears.open(gateway)
    mine = [Visitor(await connect()) for _ in range(2)]
    claims = [(await visitor.login()).claims for visitor in mine]
    eve = (await Visitor(await connect()).login("eve")).claims
    await owner.execute(CHANGE)

    revoked = sorted(one["sid"] for one in claims)
    assert sorted(one["sid"] for one in await ears.told()) == revoked
    assert sorted(row["sid"] for row in await gateway.fetch(LISTED)) == revoked
    assert eve["sid"] not in revoked
    assert await live_sessions(owner) == 2
    for visitor, before in zip(mine, claims, strict=True):
        after = (await visitor.refresh()).claims
        assert (before["role"], after["role"]) == ("basic_subscriber", "premium")
        assert after["sid"] not in revoked
        assert is_refused(await Visitor(owner).call(SESSIONS, claims=before))
        assert (await Visitor(owner).call(SESSIONS, claims=after)).status == 204
    kinds = await owner.fetch("select kind from auth.event where username = 'demo' order by id")
    assert [row["kind"] for row in kinds][-1] == "role_changed", "nothing has ended"


async def test_the_end_of_such_a_session_revokes_the_tokens_it_has_now(
    owner: Connection, gateway: Connection
) -> None:
    visitor = Visitor(owner)
    first = (await visitor.login()).claims["sid"]
    await owner.execute(CHANGE)
    second = (await visitor.refresh()).claims["sid"]
    await owner.execute("update auth.user set role = 'basic_subscriber' where username = 'demo'")
    third = (await visitor.refresh()).claims["sid"]
    ears = await Ears.open(gateway)
    await visitor.logout()

    assert len({first, second, third}) == 3
    assert [one["sid"] for one in await ears.told()] == [third]
    assert {row["sid"] for row in await gateway.fetch(LISTED)} == {first, second, third}


@pytest.mark.parametrize(
    "statement",
    [
        "update auth.user set role = role",
        "update auth.user set role = 'basic_subscriber', created_at = now()",
        "update auth.user set created_at = now()",
    ],
)
async def test_the_same_role_revokes_nothing(owner: Connection, gateway: Connection, statement: str) -> None:
    await Visitor(owner).login()
    await owner.execute(statement)

    assert await gateway.fetch(LISTED) == []


async def test_a_refresh_under_way_does_not_keep_the_old_role(
    connect: Connect, owner: Connection, gateway: Connection
) -> None:
    visitor, admin = Visitor(await connect()), await connect()
    await visitor.login()
    transaction = visitor.connection.transaction()
    await transaction.start()
    claims = (await visitor.refresh()).claims
    change = asyncio.create_task(admin.execute(CHANGE))
    await is_waiting(owner, admin)
    await transaction.commit()
    await change

    assert claims["role"] == "basic_subscriber"
    assert [row["sid"] for row in await gateway.fetch(LISTED)] == [claims["sid"]]


async def test_a_refresh_that_waits_for_the_change_has_the_new_role(
    connect: Connect, owner: Connection, gateway: Connection
) -> None:
    visitor, admin = Visitor(await connect()), await connect()
    await visitor.login()
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute(CHANGE)
    refresh = asyncio.create_task(visitor.refresh())
    await is_waiting(owner, visitor.connection)
    await transaction.commit()
    claims = (await refresh).claims

    assert claims["role"] == "premium"
    assert claims["sid"] not in {row["sid"] for row in await gateway.fetch(LISTED)}


async def test_a_login_under_way_does_not_keep_the_old_role(
    connect: Connect, owner: Connection, gateway: Connection
) -> None:
    visitor, admin = Visitor(await connect()), await connect()
    transaction = visitor.connection.transaction()
    await transaction.start()
    claims = (await visitor.login()).claims
    change = asyncio.create_task(admin.execute(CHANGE))
    await is_waiting(owner, admin)
    await transaction.commit()
    await change

    assert [row["sid"] for row in await gateway.fetch(LISTED)] == [claims["sid"]]
