"""auth.logout: the session ends in the database, and every cookie of it in the browser."""

import pytest

from .visitors import POST_ONLY, Connection, Visitor, live_sessions, start_session

pytestmark = pytest.mark.anyio


async def test_it_clears_both_cookies_under_every_path_they_were_ever_set_with(visitor: Visitor) -> None:
    answer = await visitor.logout()

    assert answer.status == 204
    assert [(cookie.name, cookie.attribute("Path")) for cookie in answer.cookies] == [
        ("access_token", "/"),
        ("access_token", "/rpc"),
        ("access_token", "/rpc/refresh_token"),
        ("refresh_token", "/"),
        ("refresh_token", "/rpc"),
        ("refresh_token", "/rpc/refresh_token"),
    ]
    for cookie in answer.cookies:
        assert cookie.value == ""
        assert cookie.attributes[1:] == (
            "HttpOnly",
            "SameSite=Lax",
            "Max-Age=0",
            "Expires=Thu, 01 Jan 1970 00:00:00 GMT",
        )


async def test_the_session_is_over_in_the_database(connection: Connection, visitor: Visitor) -> None:
    await visitor.login()
    kept = visitor.same_client()
    await visitor.logout()

    assert await live_sessions(connection) == 0
    assert await connection.fetchval("select ended_reason from auth.session") == "logout"
    answer = await kept.refresh()
    assert (answer.status, answer.cookies) == (401, [])


async def test_a_client_without_cookies_ends_the_session_of_its_bearer(
    connection: Connection, visitor: Visitor
) -> None:
    claims = (await visitor.login()).claims
    visitor.cookies.clear()
    await visitor.call("auth.logout()", role="basic_subscriber", claims=claims)

    assert await live_sessions(connection) == 0


async def test_a_cookie_and_a_bearer_of_two_sessions_end_both(
    connection: Connection, visitor: Visitor
) -> None:
    claims = (await visitor.login()).claims
    visitor.cookies["refresh_token"] = await start_session(connection)
    await visitor.call("auth.logout()", role="basic_subscriber", claims=claims)

    assert await live_sessions(connection) == 0


@pytest.mark.parametrize("sid", [None, "", "x", 7, {}, "0" * 36, "00000000-0000-0000-0000-000000000000"])
async def test_a_claim_that_names_no_session_ends_none(
    connection: Connection, visitor: Visitor, sid: object
) -> None:
    await start_session(connection)
    answer = await visitor.call("auth.logout()", role="basic_subscriber", claims={"sid": sid})

    assert answer.status == 204
    assert await live_sessions(connection) == 1


async def test_another_session_of_the_same_user_goes_on(connection: Connection, visitor: Visitor) -> None:
    other = Visitor(connection, cookies={"refresh_token": await start_session(connection)})
    await visitor.login()
    await visitor.logout()

    assert (await other.refresh()).status == 204


async def test_a_token_just_replaced_ends_its_session_too(visitor: Visitor) -> None:
    await visitor.login()
    slow_tab = visitor.same_client()
    await visitor.refresh()
    await slow_tab.logout()

    assert (await visitor.refresh()).status == 401


async def test_a_logged_out_token_has_no_grace(visitor: Visitor) -> None:
    await visitor.login()
    old = visitor.same_client()
    await visitor.refresh()
    newest = visitor.same_client()
    await visitor.logout()

    assert (await old.refresh()).status == 401
    assert (await newest.refresh()).status == 401


async def test_twice_is_as_good_as_once(visitor: Visitor) -> None:
    await visitor.login()
    kept = visitor.same_client()

    assert (await visitor.logout()).status == 204
    assert (await kept.logout()).status == 204


@pytest.mark.parametrize("role", ["anon", "basic_subscriber"])
async def test_anyone_may_log_out(visitor: Visitor, role: str) -> None:
    assert (await visitor.call("auth.logout()", role=role)).status == 204


async def test_it_needs_a_transaction_that_may_write(connection: Connection, visitor: Visitor) -> None:
    """PostgREST answers GET in a read-only one: an <img> could sign people out."""
    await connection.execute("set transaction read only")

    answer = await visitor.logout()
    assert (answer.sqlstate, answer.message) == ("25006", POST_ONLY)
