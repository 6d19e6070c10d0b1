"""The end of a session, by every road there is: at once, listed once, notified once, recorded once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

import asyncpg
import pytest

from app.devstack import Database

from .conftest import Connect
from .ears import Ears
from .visitors import DEMO_HASH, SIGN_IN, Answer, Connection, Visitor, age, live_sessions

pytestmark = pytest.mark.anyio

LISTED = "select sid, seconds from auth.ended_sessions()"

# Ends the session of the first visitor; the second one has another session of the same user
Road: TypeAlias = Callable[[Connection, Visitor, Visitor], Awaitable[Answer | str | None]]


def sql(statement: str) -> Road:
    async def end(owner: Connection, first: Visitor, second: Visitor) -> str:
        return await owner.execute(statement)

    return end


async def logout(owner: Connection, first: Visitor, second: Visitor) -> Answer:
    return await first.logout()


async def logout_all(owner: Connection, first: Visitor, second: Visitor) -> Answer:
    return await second.call("auth.logout_all()")


async def logout_others(owner: Connection, first: Visitor, second: Visitor) -> Answer:
    return await second.call("auth.logout_others()")


async def end_session(owner: Connection, first: Visitor, second: Visitor) -> Answer:
    return await second.call("auth.end_session($1)", await id_of(owner, first))


async def end_own_session(owner: Connection, first: Visitor, second: Visitor) -> Answer:
    return await first.call("auth.end_session($1)", await id_of(owner, first))


async def change_password(owner: Connection, first: Visitor, second: Visitor) -> Answer:
    return await second.call("auth.change_password('demo', 'another')")


async def sign_in_again(owner: Connection, first: Visitor, second: Visitor) -> Answer:
    return await first.same_client().login()


async def replay(owner: Connection, first: Visitor, second: Visitor) -> Answer:
    stolen = first.same_client()
    await first.refresh()
    await age(owner, 61)
    return await stolen.refresh()


async def owner_ends_it(owner: Connection, first: Visitor, second: Visitor) -> None:
    query = "select auth_private.end_session($1, 'suspicious')"
    assert await owner.fetchval(query, await id_of(owner, first)) is True
    assert await owner.fetchval(query, await id_of(owner, first)) is False


async def owner_ends_all(owner: Connection, first: Visitor, second: Visitor) -> None:
    query = "select auth_private.end_sessions_of('demo', 'left the company')"
    assert await owner.fetchval(query) == 2
    assert await owner.fetchval(query) == 0


CHANGED = "change_password"  # the one road after which the other goes on, in a new session
ROADS: dict[str, tuple[Road, str | None, bool]] = {
    # the road, the reason in auth.session (None: the row is gone), and whether the other session ends as well
    "logout": (logout, "logout", False),
    "logout_all": (logout_all, "logout_all", True),
    "logout_others": (logout_others, "logout_others", False),
    "end_session": (end_session, "session_ended", False),
    "end_session on itself": (end_own_session, "session_ended", False),
    CHANGED: (change_password, "password_changed", True),
    "another login in its place": (sign_in_again, "signed_in_again", False),
    "a replay": (replay, "refresh_replayed", False),
    "the owner": (owner_ends_it, "suspicious", False),
    "the owner, all of a user": (owner_ends_all, "left the company", True),
    "a password": (sql("update auth.user set password = 'another'"), "password_set", True),
    "a hash": (sql(f"select auth.set_password_hash('demo', '{DEMO_HASH}')"), "password_set", True),
    "disable_user": (sql("select auth.disable_user('demo')"), "user_disabled", True),
    "disabled by hand": (sql("update auth.user set disabled_at = now()"), "user_disabled", True),
    "a new name": (sql("update auth.user set username = 'renamed'"), "user_renamed", True),
    "a new name and password": (
        sql("update auth.user set username = 'renamed', password = 'another'"),
        "password_set",
        True,
    ),
    "a deleted user": (sql("delete from auth.user"), None, True),
    "ended by hand": (
        sql("update auth.session set ended_at = now(), ended_reason = 'by hand'"),
        "by hand",
        True,
    ),
    "deleted by hand": (sql("delete from auth.session"), None, True),
}


async def id_of(owner: Connection, visitor: Visitor) -> str:
    query = "select auth_private.session_of_token($1)::text"
    found: str = await owner.fetchval(query, visitor.cookies["refresh_token"])
    return found


@pytest.fixture
async def gateway(own: Database) -> AsyncIterator[Connection]:
    connection: Connection = await asyncpg.connect(own.gateway_dsn)
    yield connection
    await connection.close()


@pytest.mark.parametrize("which", ROADS)
async def test_a_session_ends_at_once_and_is_told_of_once(
    connect: Connect, owner: Connection, gateway: Connection, which: str
) -> None:
    road, reason, both = ROADS[which]
    await owner.execute("update auth.user set password = 'demo'")  # so that DEMO_HASH is another one
    ears = await Ears.open(gateway)
    first, second = [Visitor(await connect()) for _ in range(2)]
    claims = (await first.login()).claims
    await second.login()
    ids = [await id_of(owner, visitor) for visitor in (first, second)]
    kept = first.same_client()

    await road(owner, first, second)

    ended = sorted(ids if both else ids[:1])
    assert sorted(one["sid"] for one in await ears.told()) == ended
    listed = {row["sid"]: row["seconds"] for row in await gateway.fetch(LISTED)}
    assert sorted(listed) == ended
    assert all(590 < seconds <= 600 for seconds in listed.values())

    assert (await kept.refresh()).status == 401
    answer = await kept.call("auth.sessions()", role="basic_subscriber", claims=claims)
    assert (answer.status, answer.message) == (401, SIGN_IN)
    assert (await second.refresh()).status == (401 if both and which != CHANGED else 204)

    found = await owner.fetchval("select ended_reason from auth.session where id = $1", ids[0])
    assert found == reason
    recorded = await owner.fetch(
        "select session::text from auth.event where kind in ('logout', 'session_ended')"
        " or kind = 'refresh_replayed' and $1 order by 1",
        which == "a replay",
    )
    assert [row["session"] for row in recorded] == ended
    await owner.execute("update auth.session set ended_at = now() where ended_at is not null")
    assert await ears.told() == []


async def test_the_notification_has_the_form_that_is_promised(
    connect: Connect, owner: Connection, gateway: Connection
) -> None:
    ears = await Ears.open(gateway)
    visitor = Visitor(await connect())
    await visitor.login()
    session = await id_of(owner, visitor)
    await visitor.logout()

    assert await ears.texts() == [f'{{"sid":"{session}","seconds":600}}']


async def test_an_end_that_is_rolled_back_is_not_told(
    connect: Connect, owner: Connection, gateway: Connection
) -> None:
    ears = await Ears.open(gateway)
    visitor = Visitor(await connect())
    await visitor.login()
    transaction = visitor.connection.transaction()
    await transaction.start()
    await visitor.logout()
    await transaction.rollback()

    assert await ears.told() == []
    assert await gateway.fetch(LISTED) == []
    assert await live_sessions(owner) == 1


async def test_an_ended_session_is_listed_for_as_long_as_its_tokens_live_and_a_minute(
    connect: Connect, owner: Connection, gateway: Connection
) -> None:
    """The minute is for clocks that differ, and for a verifier's leeway."""
    visitor = Visitor(await connect())
    await visitor.login()
    await visitor.logout()
    for seconds, left in [(0, 600), (590, 10), (30, 1), (50, None)]:
        await age(owner, seconds)
        listed = [row["seconds"] for row in await gateway.fetch(LISTED)]
        assert listed == ([] if left is None else [pytest.approx(left, abs=5)])


async def test_the_list_outlives_the_user(connect: Connect, owner: Connection, gateway: Connection) -> None:
    visitor = Visitor(await connect())
    await visitor.login()
    await visitor.logout()
    await owner.execute("delete from auth.user")

    assert await owner.fetchval("select count(*) from auth.session") == 0
    assert len(await gateway.fetch(LISTED)) == 1


async def test_a_deleted_user_has_no_session_that_nobody_was_told_of(
    connect: Connect, owner: Connection, gateway: Connection
) -> None:
    """Not even one whose access tokens have expired: its cascade alone would be silent."""
    ears = await Ears.open(gateway)
    visitor = Visitor(await connect())
    await visitor.login()
    session = await id_of(owner, visitor)
    await age(owner, 24 * 3600)
    await owner.execute("delete from auth.user")

    assert [one["sid"] for one in await ears.told()] == [session]
    query = "select session::text from auth.event where kind = 'session_ended'"
    assert await owner.fetchval(query) == session


async def test_the_list_is_pruned_by_logins(connect: Connect, owner: Connection) -> None:
    visitor = Visitor(await connect())
    await visitor.login()
    await visitor.logout()
    await age(owner, 2 * 3600)
    await visitor.login()

    assert await owner.fetchval("select count(*) from auth_private.ended_session") == 0


async def test_the_owner_learns_that_there_is_nothing_to_end(owner: Connection) -> None:
    assert await owner.fetchval("select auth_private.end_session(gen_random_uuid(), 'x')") is False
    assert await owner.fetchval("select auth_private.end_session(null, 'x')") is False
    for name in ("nobody", "", None):
        assert await owner.fetchval("select auth_private.end_sessions_of($1, 'x')", name) == 0


async def test_a_reason_is_kept_legible_and_never_missing(connect: Connect, owner: Connection) -> None:
    for told, kept in [("\u202ex" * 100, "x" * 64), ("", "session_ended"), (None, "session_ended")]:
        visitor = Visitor(await connect())
        await visitor.login()
        session = await id_of(owner, visitor)
        await owner.execute("select auth_private.end_session($1, $2)", session, told)
        reason = await owner.fetchval("select ended_reason from auth.session where id = $1", session)
        assert reason == kept
