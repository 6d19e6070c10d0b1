"""auth.refresh_token: rotation, the grace window, replay, and what a session may not outlive."""

import pytest

from .visitors import (
    DEMO_HASH,
    INVALID_TOKEN,
    POST_ONLY,
    SETTINGS,
    Connection,
    Visitor,
    age,
    live_sessions,
    start_session,
)

pytestmark = pytest.mark.anyio


@pytest.fixture
async def signed_in(connection: Connection) -> Visitor:
    return Visitor(connection, cookies={"refresh_token": await start_session(connection)})


async def live_tokens(connection: Connection) -> int:
    count: int = await connection.fetchval(
        "select count(*) from auth.refresh_token where replaced_at is null"
    )
    return count


async def test_it_sets_both_cookies_anew(signed_in: Visitor) -> None:
    before = dict(signed_in.cookies)
    answer = await signed_in.refresh()

    assert answer.status == 204
    access, refresh = answer.cookies
    assert access.attributes == ("Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=600")
    assert refresh.attributes == ("Path=/", "HttpOnly", "SameSite=Lax", "Max-Age=2592000")
    assert refresh.value != before["refresh_token"]


async def test_the_successor_works_and_so_on(connection: Connection, signed_in: Visitor) -> None:
    seen = {signed_in.cookies["refresh_token"]}
    for _ in range(5):
        await age(connection, 600)
        assert (await signed_in.refresh()).status == 204
        seen.add(signed_in.cookies["refresh_token"])

    assert len(seen) == 6
    assert await live_tokens(connection) == 1
    assert await connection.fetchval("select count(distinct family) from auth.refresh_token") == 1


async def test_a_lost_race_gets_the_same_successor(connection: Connection, signed_in: Visitor) -> None:
    other_tab = signed_in.same_client()
    first = await signed_in.refresh()
    await age(connection, 59)
    second = await other_tab.refresh()

    assert second.status == 204
    assert second.cookie("refresh_token").value == first.cookie("refresh_token").value
    assert second.cookie("access_token").value != first.cookie("access_token").value
    assert second.cookie("refresh_token").attribute("Max-Age") == str(2592000 - 59)


async def test_grace_counts_from_the_first_use_and_is_not_prolonged(
    connection: Connection, signed_in: Visitor
) -> None:
    stale = [signed_in.same_client() for _ in range(3)]
    await signed_in.refresh()
    await age(connection, 40)
    assert (await stale[0].refresh()).status == 204
    await age(connection, 40)
    assert (await stale[1].refresh()).status == 401


async def test_a_late_tab_is_given_the_token_that_is_alive(
    connection: Connection, signed_in: Visitor
) -> None:
    """The successor it would be told has been used meanwhile: with it, the next refresh is a replay."""
    late_tab = signed_in.same_client()
    await signed_in.refresh()
    await age(connection, 3)
    await signed_in.refresh()
    await age(connection, 3)
    assert (await late_tab.refresh()).status == 204

    assert late_tab.cookies["refresh_token"] == signed_in.cookies["refresh_token"]
    await age(connection, 600)
    assert (await late_tab.refresh()).status == 204
    assert await live_tokens(connection) == 1


class TestTooMany:
    """A loop would fill the disk, and make a long way of following a token to the live one."""

    async def renew(self, visitor: Visitor, times: int) -> set[int]:
        return {(await visitor.refresh()).status for _ in range(times)}

    async def test_thirty_in_a_minute_are_what_a_session_is_given(
        self, connection: Connection, signed_in: Visitor
    ) -> None:
        assert await self.renew(signed_in, 29) == {204}  # and the first one
        token = signed_in.cookies["refresh_token"]
        for _ in range(3):
            answer = await signed_in.refresh()
            assert (answer.status, answer.sqlstate) == (429, "PT429")
            assert answer.message == "This session was renewed too often: wait a minute"

        assert await connection.fetchval("select count(*) from auth.refresh_token") == 30
        assert (await signed_in.call("auth.sessions()")).status == 204
        await age(connection, 60)
        assert await self.renew(signed_in, 1) == {204}
        assert signed_in.cookies["refresh_token"] != token

    async def test_who_goes_on_and_on_is_given_no_more_than_that(
        self, connection: Connection, signed_in: Visitor
    ) -> None:
        for _ in range(6):
            await self.renew(signed_in, 12)
            await age(connection, 20)

        assert await connection.fetchval("select count(*) from auth.refresh_token") <= 2 * 30 + 12

    async def test_tabs_that_follow_are_given_what_is_there(
        self, connection: Connection, signed_in: Visitor
    ) -> None:
        tabs = [signed_in.same_client() for _ in range(40)]
        await self.renew(signed_in, 29)
        for tab in tabs:
            assert await self.renew(tab, 1) == {204}
            assert tab.cookies["refresh_token"] == signed_in.cookies["refresh_token"]

        assert await connection.fetchval("select count(*) from auth.refresh_token") == 30

    async def test_other_sessions_of_the_user_are_not_concerned(
        self, connection: Connection, signed_in: Visitor
    ) -> None:
        other = Visitor(connection, cookies={"refresh_token": await start_session(connection)})
        assert await self.renew(signed_in, 30) == {204, 429}
        assert await self.renew(other, 1) == {204}

    async def test_a_replay_ends_the_session_even_then(
        self, connection: Connection, signed_in: Visitor
    ) -> None:
        thief = signed_in.same_client()
        await self.renew(signed_in, 1)
        await age(connection, 61)
        assert await self.renew(signed_in, 31) == {204, 429}
        assert await self.renew(thief, 1) == {401}
        assert await live_sessions(connection) == 0


async def test_a_replay_outside_the_window_revokes_the_family(
    connection: Connection, signed_in: Visitor
) -> None:
    thief = signed_in.same_client()
    other_session = Visitor(connection, cookies={"refresh_token": await start_session(connection)})
    await signed_in.refresh()
    await age(connection, 61)
    answer = await thief.refresh()

    assert answer.status == 401
    assert not answer.sqlstate, "an error would roll the revocation back"
    assert {cookie.attribute("Max-Age") for cookie in answer.cookies} == {"0"}
    assert (await signed_in.refresh()).status == 401
    assert (await other_session.refresh()).status == 204


async def test_an_expired_token_is_refused(connection: Connection, signed_in: Visitor) -> None:
    await age(connection, 720 * 3600)
    answer = await signed_in.refresh()

    assert (answer.status, answer.message) == (401, INVALID_TOKEN)


async def test_the_life_of_a_token_is_counted_in_hours(connection: Connection) -> None:
    """The length of a day depends on the time zone, which a client may choose (Prefer: timezone)."""
    await connection.execute("set local intervalstyle = 'postgres'")

    assert await connection.fetchval("select auth_private.refresh_token_life()::text") == "720:00:00"


@pytest.mark.parametrize("seconds", [0, 30])
async def test_a_disabled_user_cannot_refresh_and_being_enabled_revives_nothing(
    connection: Connection, signed_in: Visitor, seconds: int
) -> None:
    stale = signed_in.same_client()
    await signed_in.refresh()
    await age(connection, seconds)
    await connection.execute("update auth.user set disabled_at = now()")

    assert (await signed_in.refresh()).status == 401
    assert (await stale.refresh()).status == 401
    await connection.execute("update auth.user set disabled_at = null")
    assert (await signed_in.refresh()).status == 401


async def test_a_disabled_user_is_refused_even_if_the_session_is_still_there(
    connection: Connection, signed_in: Visitor
) -> None:
    stale = signed_in.same_client()
    await connection.execute(
        "alter table auth.user disable trigger user_400_end_sessions;update auth.user set disabled_at = now()"
    )
    answer = await signed_in.refresh()
    assert (answer.status, answer.message) == (401, INVALID_TOKEN)
    assert await live_tokens(connection) == 1

    await connection.execute("update auth.user set disabled_at = null")
    await signed_in.refresh()
    await connection.execute("update auth.user set disabled_at = now()")
    assert (await stale.refresh()).status == 401


@pytest.mark.parametrize(
    "change",
    [
        "update auth.user set password = 'other'",
        "select auth.set_password_hash('demo', $$" + "$2a$10$" + "a" * 53 + "$$)",
        "delete from auth.user",
    ],
)
async def test_a_new_password_and_a_deleted_user_end_the_sessions(
    connection: Connection, signed_in: Visitor, change: str
) -> None:
    await connection.execute(change)

    assert (await signed_in.refresh()).status == 401


async def test_the_old_name_of_a_renamed_user_is_in_no_token_that_is_still_good(
    connection: Connection, visitor: Visitor
) -> None:
    """It may be somebody else's by now, and policies go by names."""
    claims = (await visitor.login()).claims
    await connection.execute("update auth.user set username = 'renamed'")
    await connection.execute("select auth.add_user('demo', $1, 'basic_subscriber')", DEMO_HASH)

    assert (await visitor.refresh()).status == 401
    ended = await connection.fetch("select sid from auth.ended_sessions()")
    assert [row["sid"] for row in ended] == [claims["sid"]]
    assert await live_sessions(connection, "renamed") == await live_sessions(connection, "demo") == 0


async def test_a_name_written_back_unchanged_ends_no_session(
    connection: Connection, signed_in: Visitor
) -> None:
    await connection.execute("update auth.user set username = username")

    assert (await signed_in.refresh()).status == 204


async def test_a_role_that_was_dropped_or_became_powerful_is_not_handed_out(
    connection: Connection, signed_in: Visitor
) -> None:
    await connection.execute("grant pg_execute_server_program to basic_subscriber")

    assert (await signed_in.refresh()).status == 401


async def test_nothing_plain_is_stored(connection: Connection, signed_in: Visitor) -> None:
    plain = {signed_in.cookies["refresh_token"]}
    await signed_in.refresh()
    plain.add(signed_in.cookies["refresh_token"])

    stored = await connection.fetch(
        "select t::text as line from auth.refresh_token as t union all select s::text from auth.session as s"
        " union all select e::text from auth.event as e"
    )
    for row in stored:
        assert not any(token in row["line"] or token.encode().hex() in row["line"] for token in plain)


@pytest.mark.parametrize("change", ["ended_at = now(), ended_reason = 'x'", "expires_at = now()"])
async def test_the_rotation_itself_spends_no_token_of_a_session_that_is_over(
    connection: Connection, change: str
) -> None:
    """Whoever calls it: it is the statement that decides, and not the looks that were taken before."""
    token = await start_session(connection)
    await connection.execute(f"update auth.session set {change}")  # noqa: S608 (of two constants)
    row = await connection.fetchrow("select * from auth_private.swap_refresh_token($1)", token)

    assert row is not None
    assert (row["token"], row["expires_at"]) == (None, None)
    assert await live_tokens(connection) == 1


async def test_the_digest_is_sha256_of_the_cookie(connection: Connection) -> None:
    token = await start_session(connection)

    assert await connection.fetchval(
        "select exists (select from auth.refresh_token where digest = sha256($1::bytea))", token.encode()
    )


async def test_a_refused_refresh_spends_no_token(connection: Connection, signed_in: Visitor) -> None:
    broken = Visitor(
        connection, cookies=dict(signed_in.cookies), settings={**SETTINGS, "app.settings.jwt_secret": ""}
    )
    assert (await broken.refresh()).sqlstate == "F0000"

    assert await live_tokens(connection) == 1


async def test_it_needs_a_transaction_that_may_write(connection: Connection, signed_in: Visitor) -> None:
    await connection.execute("set transaction read only")

    answer = await signed_in.refresh()
    assert (answer.sqlstate, answer.message) == ("25006", POST_ONLY)
