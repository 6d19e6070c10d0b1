"""auth.change_password: asks for the old one; the other sessions end, and this one is replaced."""

import pytest

from .test_login import COUNT_THE_WORK, RAISE_THE_COST
from .visitors import SIGN_IN, Answer, Connection, Visitor, live_sessions, start_session

pytestmark = pytest.mark.anyio

CHANGE = "auth.change_password(old => $1, new => $2)"
STORED = "select password from auth.user"
OWN = "select auth_private.session_of_token($1)"


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


async def test_the_other_sessions_end_and_this_one_is_replaced(
    connection: Connection, signed_in: Visitor
) -> None:
    others = [
        Visitor(connection, cookies={"refresh_token": await start_session(connection)}) for _ in range(2)
    ]
    before = await connection.fetchval(OWN, signed_in.cookies["refresh_token"])
    answer = await signed_in.call(CHANGE, "demo", "new")

    assert answer.status == 204
    assert [cookie.name for cookie in answer.cookies] == ["access_token", "refresh_token"]
    after = await connection.fetchval(OWN, signed_in.cookies["refresh_token"])
    assert answer.claims["sid"] == str(after) != str(before)
    assert (await signed_in.refresh()).status == 204
    assert {(await other.refresh()).status for other in others} == {401}
    reasons = await connection.fetch("select id, ended_reason from auth.session where ended_at is not null")
    assert {row["ended_reason"] for row in reasons if row["id"] != before} == {"password_changed"}
    assert {row["ended_reason"] for row in reasons if row["id"] == before} == {"signed_in_again"}


async def test_what_was_copied_before_is_dead(connection: Connection, visitor: Visitor) -> None:
    claims = (await visitor.login()).claims
    thief = visitor.same_client()
    assert (await visitor.call(CHANGE, "demo", "new")).status == 204

    for call in ["auth.sessions()", "auth.logout_all()", "auth.logout_others()"]:
        assert (await thief.call(call)).status == 401
        assert (await thief.call(call, role="basic_subscriber", claims=claims)).status == 401
    denied = [row["sid"] for row in await connection.fetch("select * from auth.ended_sessions()")]
    assert denied == [claims["sid"]]
    answer = await thief.refresh()
    assert (answer.status, answer.cookies) == (401, []), "the cookies may be the new ones"
    replays = "select count(*) from auth.event where kind = 'refresh_replayed'"
    assert await connection.fetchval(replays) == 1
    assert await live_sessions(connection) == 1


async def test_a_role_that_may_not_be_given_any_more_gets_no_new_session(
    connection: Connection, signed_in: Visitor
) -> None:
    before = await connection.fetchval(STORED)
    await connection.execute("grant pg_read_all_data to basic_subscriber")
    answer = await signed_in.call(CHANGE, "demo", "new")

    assert (answer.status, answer.message) == (401, SIGN_IN)
    assert await connection.fetchval(STORED) == before


@pytest.mark.parametrize("old", ["wrong", "", None, "demo ", "x" * 73], ids=ascii)
async def test_a_wrong_old_password_changes_nothing(
    connection: Connection, signed_in: Visitor, old: str | None
) -> None:
    await start_session(connection)
    before = await connection.fetchval(STORED)

    assert is_wrong(await signed_in.call(CHANGE, old, "new"))
    assert await connection.fetchval(STORED) == before
    assert await live_sessions(connection) == 2


@pytest.mark.parametrize("new", ["", None, "x" * 257, "abababab"], ids=ascii)
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
