"""Sessions and users that change at the same time: whoever comes first, nothing deadlocks or survives."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import asyncpg
import pytest

from .conftest import Connect
from .visitors import SIGN_IN, Answer, Connection, Visitor, is_waiting, live_sessions, start_session

pytestmark = pytest.mark.anyio

STEPS = 60

CHEAP = """
create or replace function auth_private.bcrypt_cost() returns integer language sql immutable return 4;
update auth.setting set value = 10000 where name = 'sessions_per_user';
update auth.user set password = 'demo';
insert into auth.user (username, password, role) values ('eve', 'demo', 'basic_subscriber');
"""

Move = Callable[[Visitor], Awaitable[Answer]]


@pytest.fixture
async def token(owner: Connection) -> str:
    return await start_session(owner)


async def id_of(owner: Connection, visitor: Visitor) -> str:
    found: str = await owner.fetchval(
        "select auth_private.session_of_token($1)::text", visitor.cookies["refresh_token"]
    )
    return found


ENDS = {
    "the user is deleted": "delete from auth.user",
    "the user is renamed": "update auth.user set username = 'renamed'",
    "the user is disabled": "select auth.disable_user('demo')",
    "the user gets a password": "update auth.user set password = 'new'",
    "the owner ends it": "select auth_private.end_sessions_of('demo', 'x')",
    "the user is deleted through the session's row": "delete from auth.session",
}


@pytest.mark.parametrize("how", ENDS)
async def test_a_refresh_under_way_does_not_survive(
    connect: Connect, owner: Connection, token: str, how: str
) -> None:
    refreshing, admin = Visitor(await connect(), {"refresh_token": token}), await connect()
    transaction = refreshing.connection.transaction()
    await transaction.start()
    assert (await refreshing.refresh()).status == 204
    ending = asyncio.create_task(admin.execute(ENDS[how]))
    await is_waiting(owner, admin)
    await transaction.commit()
    await ending

    assert await live_sessions(owner) == 0
    assert len(await owner.fetch("select * from auth.ended_sessions()")) == 1
    assert (await refreshing.refresh()).status == 401


@pytest.mark.parametrize("how", ENDS)
async def test_a_refresh_that_waits_for_the_end_finds_nothing(
    connect: Connect, owner: Connection, token: str, how: str
) -> None:
    refreshing, admin = Visitor(await connect(), {"refresh_token": token}), await connect()
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute(ENDS[how])
    refresh = asyncio.create_task(refreshing.refresh())
    await is_waiting(owner, refreshing.connection)
    await transaction.commit()

    assert (await refresh).status == 401
    assert await live_sessions(owner) == 0


async def test_an_account_function_that_waits_for_a_new_name_is_refused_if_that_ended_the_session(
    connect: Connect, owner: Connection, token: str
) -> None:
    visitor, admin = Visitor(await connect(), {"refresh_token": token}), await connect()
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("update auth.user set username = 'renamed'")
    change = asyncio.create_task(visitor.call("auth.change_password('demo', 'new')"))
    await is_waiting(owner, visitor.connection)
    await transaction.commit()

    answer = await change
    assert (answer.status, answer.message) == (401, SIGN_IN)


async def test_an_account_function_that_waits_for_a_new_name_goes_on_under_it_if_the_session_does(
    connect: Connect, owner: Connection, token: str
) -> None:
    await start_session(owner)
    await owner.execute("alter table auth.user disable trigger user_400_end_sessions")
    visitor, admin = Visitor(await connect(), {"refresh_token": token}), await connect()
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("update auth.user set username = 'renamed'")
    own = visitor.connection.transaction()
    await own.start()
    ending = asyncio.create_task(visitor.call("auth.logout_others()"))
    await is_waiting(owner, visitor.connection)
    await transaction.commit()

    assert (await ending).status == 204
    with pytest.raises(asyncpg.LockNotAvailableError):  # it holds the user, as if nothing had come between
        await owner.execute("select from auth.user for no key update nowait")
    await own.commit()
    assert await live_sessions(owner, "renamed") == 1


@pytest.mark.parametrize(
    "call", ["auth.logout_others()", "auth.logout_all()", "auth.change_password('demo', 'new')"]
)
async def test_two_devices_that_sign_each_other_out_do_not_both_succeed(
    connect: Connect, owner: Connection, call: str
) -> None:
    """Who was signed out first has nothing more to say: a thief, for one."""
    first, second = [Visitor(await connect(), {"refresh_token": await start_session(owner)}) for _ in "ab"]
    transaction = first.connection.transaction()
    await transaction.start()
    assert (await first.call(call)).status == 204
    other = asyncio.create_task(second.call(call))
    await is_waiting(owner, second.connection)
    await transaction.commit()

    assert (await other).status == 401
    assert await live_sessions(owner) == (0 if "all" in call else 1)


@pytest.mark.parametrize(
    "statement",
    [
        "select auth_private.end_sessions_of('demo', 'x')",
        "select auth.disable_user('demo')",
        "delete from auth.user",
    ],
)
async def test_a_login_under_way_does_not_survive(
    connect: Connect, owner: Connection, statement: str
) -> None:
    login, admin = Visitor(await connect()), await connect()
    transaction = login.connection.transaction()
    await transaction.start()
    await login.login()
    ending = asyncio.create_task(admin.execute(statement))
    await is_waiting(owner, admin)
    await transaction.commit()
    await ending

    assert await live_sessions(owner) == 0
    assert len(await owner.fetch("select * from auth.ended_sessions()")) == 1


@pytest.mark.parametrize(
    "call", ["auth.logout_others()", "auth.logout_all()", "auth.change_password('demo', 'new')"]
)
async def test_who_is_being_signed_out_waits_and_has_nothing_more_to_say(
    connect: Connect, owner: Connection, token: str, call: str
) -> None:
    await start_session(owner)
    leaving, acting = [Visitor(await connect(), {"refresh_token": token}) for _ in "ab"]
    transaction = leaving.connection.transaction()
    await transaction.start()
    await leaving.logout()
    action = asyncio.create_task(acting.call(call))
    await is_waiting(owner, acting.connection)
    await transaction.commit()

    assert (await action).status == 401
    assert await live_sessions(owner) == 1


async def test_a_changed_password_is_asked_for_again_if_it_has_changed_meanwhile(
    connect: Connect, owner: Connection, token: str
) -> None:
    visitor, admin = Visitor(await connect(), {"refresh_token": token}), await connect()
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("alter table auth.user disable trigger user_400_end_sessions")
    await admin.execute("update auth.user set password = 'other'")
    change = asyncio.create_task(visitor.call("auth.change_password('demo', 'new')"))
    await is_waiting(owner, visitor.connection)
    await transaction.commit()

    assert (await change).message == "Invalid password"
    assert (await Visitor(await connect()).login("demo", "other")).status == 204


async def test_two_clients_with_each_others_cookies_and_claims_do_not_deadlock(
    connect: Connect, owner: Connection
) -> None:
    visitors = [Visitor(await connect()) for _ in range(2)]
    claims = [(await visitor.login()).claims for visitor in visitors]
    mixed = list(zip(visitors, reversed(claims), strict=True))
    transaction = owner.transaction()
    await transaction.start()  # holds both back until both are on their way
    await owner.execute("select from auth.session for update")
    leaving = [
        asyncio.create_task(visitor.call("auth.logout()", role="basic_subscriber", claims=other))
        for visitor, other in mixed
    ]
    admin = await connect()
    for visitor in visitors:
        await is_waiting(admin, visitor.connection)
    await transaction.commit()

    assert {(await answer).status for answer in leaving} == {204}
    assert await live_sessions(owner) == 0


async def test_a_logout_waits_for_nobody_who_signs_in(
    connect: Connect, owner: Connection, token: str
) -> None:
    visitor, login = Visitor(await connect(), {"refresh_token": token}), Visitor(await connect())
    transaction = login.connection.transaction()
    await transaction.start()
    await login.login()
    assert (await visitor.logout()).status == 204
    await transaction.commit()

    assert await live_sessions(owner) == 1


async def test_who_ends_several_sessions_waits_for_their_user_first(
    connect: Connect, owner: Connection
) -> None:
    """A new name, or the deletion of a user, takes the sessions in any order: with the user's lock alone."""
    visitor = Visitor(await connect())
    claims = (await visitor.login()).claims
    visitor.cookies["refresh_token"] = await start_session(owner)
    admin = await connect()
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("select from auth.user for update")
    leaving = asyncio.create_task(visitor.call("auth.logout()", role="basic_subscriber", claims=claims))
    await is_waiting(owner, visitor.connection)
    await admin.execute("select from auth.session for update nowait")
    await transaction.commit()

    assert (await leaving).status == 204
    assert await live_sessions(owner) == 0


async def end_some_session(visitor: Visitor) -> Answer:
    listed = await visitor.call("(select (array_agg(s.id order by random()))[1] from auth.sessions() as s)")
    return listed if listed.value is None else await visitor.call("auth.end_session($1)", str(listed.value))


MOVES: list[tuple[int, Move]] = [
    (2, lambda visitor: visitor.login("demo")),
    (2, lambda visitor: visitor.login("eve")),
    (8, lambda visitor: visitor.refresh()),
    (1, lambda visitor: visitor.logout()),
    (1, lambda visitor: visitor.call("auth.logout_others()")),
    (1, lambda visitor: visitor.call("auth.logout_all()")),
    (2, end_some_session),
    (1, lambda visitor: visitor.call("auth.change_password('demo', 'demo')")),
]
OWNERS_MOVES = [
    "select auth_private.end_sessions_of('demo', 'x')",
    "select auth.disable_user('eve'), auth.enable_user('eve')",
    "update auth.user set password = 'demo' where username = 'demo'",
    """
    update auth.refresh_token set issued_at = issued_at - interval '31 days',
                                  expires_at = expires_at - interval '31 days'
     where digest in (
       select digest from auth.refresh_token where replaced_at is not null for update skip locked
     )
    """,
    """
    update auth.session set last_seen_at = last_seen_at - interval '31 days'
     where id in (select id from auth.session where ended_at is not null for update skip locked)
    """,
]
# Of one owner alone: two of them who give two users each other's name wait for each other, in any database
NAMING_MOVES = [
    "update auth.user set username = 'eva' where username = 'eve'",
    "update auth.user set username = 'eve' where username = 'eva'",
    "delete from auth.user where username = 'eve'",
    "insert into auth.user (username, password, role) values ('eve', 'demo', 'basic_subscriber')",
]


async def test_whatever_many_do_at_once_nothing_deadlocks(connect: Connect, owner: Connection) -> None:
    """A deadlock, or anything else that nobody thought of, would be an answer of 400 or an error."""
    await owner.execute(CHEAP)
    jar: dict[str, Any] = {}
    choice = random.Random(20_261)  # noqa: S311

    async def wander(visitor: Visitor) -> set[int]:
        weights, moves = zip(*MOVES, strict=True)
        return {(await move(visitor)).status for move in choice.choices(moves, weights, k=STEPS)}

    async def reign(admin: Connection, moves: list[str]) -> set[int]:
        for statement in choice.choices(moves, k=STEPS):
            with suppress(asyncpg.NoDataFoundError, asyncpg.UniqueViolationError):  # no eve, or two
                await admin.execute(statement)
        return set()

    visitors = [Visitor(await connect(), jar) for _ in range(3)]  # tabs of one browser
    visitors += [Visitor(await connect()) for _ in range(3)]
    statuses = await asyncio.gather(
        *(wander(visitor) for visitor in visitors),
        reign(await connect(), OWNERS_MOVES),
        reign(await connect(), OWNERS_MOVES + NAMING_MOVES),
    )

    assert set().union(*statuses) <= {204, 401, 404}
    assert (
        await owner.fetchval(
            "select count(*) from (select from auth.refresh_token where replaced_at is null"
            " group by family having count(*) > 1) as family"
        )
        == 0
    )
