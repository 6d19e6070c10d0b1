"""auth.logout: the session ends in the database, and every cookie of it in the browser."""

import pytest

from .visitors import INVALID_TOKEN, POST_ONLY, Connection, Visitor

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


async def test_the_session_is_gone_from_the_database(connection: Connection, visitor: Visitor) -> None:
    await visitor.login()
    kept = dict(visitor.cookies)
    await visitor.logout()

    assert await connection.fetchval("select count(*) from auth.refresh_token") == 0
    answer = await Visitor(connection, cookies=kept).refresh()
    assert (answer.status, answer.message) == (401, INVALID_TOKEN)


async def test_a_token_just_replaced_ends_its_session_too(connection: Connection, visitor: Visitor) -> None:
    await visitor.login()
    slow_tab = Visitor(connection, cookies=dict(visitor.cookies))
    await visitor.refresh()
    await slow_tab.logout()

    assert (await visitor.refresh()).status == 401


async def test_a_logged_out_token_has_no_grace(connection: Connection, visitor: Visitor) -> None:
    await visitor.login()
    old = dict(visitor.cookies)
    await visitor.refresh()
    await visitor.logout()

    assert (await Visitor(connection, cookies=old).refresh()).status == 401


async def test_twice_is_as_good_as_once(connection: Connection, visitor: Visitor) -> None:
    await visitor.login()
    kept = dict(visitor.cookies)

    assert (await visitor.logout()).status == 204
    assert (await Visitor(connection, cookies=kept).logout()).status == 204


@pytest.mark.parametrize("role", ["anon", "basic_subscriber"])
async def test_anyone_may_log_out(visitor: Visitor, role: str) -> None:
    assert (await visitor.call("auth.logout()", role=role)).status == 204


async def test_it_needs_a_transaction_that_may_write(connection: Connection, visitor: Visitor) -> None:
    """PostgREST answers GET in a read-only one: an <img> could sign people out."""
    await connection.execute("set transaction read only")

    answer = await visitor.logout()
    assert (answer.sqlstate, answer.message) == ("25006", POST_ONLY)
