"""auth.change_password: for who knows the old one; the other sessions end, and this one stays."""

import pytest

from .test_login import COUNT_THE_WORK, RAISE_THE_COST
from .visitors import Answer, Connection, Visitor, live_sessions, start_session

pytestmark = pytest.mark.anyio

CHANGE = "auth.change_password(old => $1, new => $2)"
STORED = "select password from auth.user"


@pytest.fixture
async def signed_in(connection: Connection) -> Visitor:
    return Visitor(connection, cookies={"refresh_token": await start_session(connection)})


def is_wrong(answer: Answer) -> bool:
    return (answer.status, answer.sqlstate, answer.message) == (401, "PT401", "Invalid password")


async def test_the_new_password_signs_in_and_the_old_one_does_not(
    connection: Connection, signed_in: Visitor
) -> None:
    assert (await signed_in.call(CHANGE, "demo", "pässwörd€")).status == 204

    assert (await Visitor(connection).login("demo", "demo")).status == 401
    assert (await Visitor(connection).login("demo", "pässwörd€")).status == 204


async def test_the_other_sessions_end_and_this_one_stays(connection: Connection, signed_in: Visitor) -> None:
    others = [
        Visitor(connection, cookies={"refresh_token": await start_session(connection)}) for _ in range(2)
    ]
    answer = await signed_in.call(CHANGE, "demo", "new")

    assert (answer.status, answer.cookies) == (204, [])
    assert (await signed_in.refresh()).status == 204
    assert {(await other.refresh()).status for other in others} == {401}
    reasons = "select ended_reason from auth.session where ended_at is not null"
    assert {row[0] for row in await connection.fetch(reasons)} == {"password_changed"}


@pytest.mark.parametrize("old", ["wrong", "", None, "demo ", "x" * 73], ids=ascii)
async def test_a_wrong_old_password_changes_nothing(
    connection: Connection, signed_in: Visitor, old: str | None
) -> None:
    await start_session(connection)
    before = await connection.fetchval(STORED)

    assert is_wrong(await signed_in.call(CHANGE, old, "new"))
    assert await connection.fetchval(STORED) == before
    assert await live_sessions(connection) == 2


@pytest.mark.parametrize("new", ["", None, "x" * 73, "é" * 37], ids=ascii)
async def test_an_unfit_new_password_is_refused_and_says_what_is_fit(
    connection: Connection, signed_in: Visitor, new: str | None
) -> None:
    await start_session(connection)
    for old in ("demo", "wrong"):
        answer = await signed_in.call(CHANGE, old, new)
        assert (answer.status, answer.sqlstate) == (422, "PT422")
        assert answer.message == "The new password is not acceptable"
    assert await live_sessions(connection) == 2


async def test_a_hash_is_a_password_like_any_other(connection: Connection, signed_in: Visitor) -> None:
    before = await connection.fetchval(STORED)
    await signed_in.call(CHANGE, "demo", before)

    assert await connection.fetchval(STORED) != before
    assert (await Visitor(connection).login("demo", before)).status == 204


async def test_it_is_hashed_at_todays_cost(connection: Connection, signed_in: Visitor) -> None:
    await connection.execute(RAISE_THE_COST)
    await signed_in.call(CHANGE, "demo", "new")

    assert str(await connection.fetchval(STORED)).startswith("$2a$11$")


async def test_every_check_of_the_old_one_is_the_same_amount_of_bcrypt(
    connection: Connection, signed_in: Visitor
) -> None:
    await connection.execute(RAISE_THE_COST)
    await connection.execute(COUNT_THE_WORK)
    for old in ("demo", "wrong", "", None, "x" * 73):
        assert is_wrong(await signed_in.call(CHANGE, old, "new"))
        work = await connection.fetchval("select last_value - 1 from public.work")
        assert work == 2**11, old
        await connection.execute("alter sequence public.work restart")


async def test_a_later_change_by_the_owner_ends_this_session_as_well(
    connection: Connection, signed_in: Visitor
) -> None:
    """The exception was for that one statement, not for what the transaction does later."""
    await signed_in.call(CHANGE, "demo", "new")
    await connection.execute("update auth.user set password = 'newer'")

    assert (await signed_in.refresh()).status == 401


async def test_no_answer_and_no_event_quotes_a_password(connection: Connection, signed_in: Visitor) -> None:
    for old, new in [("OldSecret", "NewSecret"), ("demo", "NewSecret" * 9), ("demo", "NewSecret")]:
        answer = await signed_in.call(CHANGE, old, new)
        assert "Secret" not in repr(answer)
    events = await connection.fetch("select e::text from auth.event as e")
    assert not any("Secret" in row[0] for row in events)
