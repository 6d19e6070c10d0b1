"""One's own sessions: who is asking, by claim or by cookie, and what they may see and end."""

import json
from typing import Any

import pytest

from .visitors import (
    DEMO_HASH,
    POST_ONLY,
    SIGN_IN,
    Answer,
    Connection,
    Visitor,
    age,
    live_sessions,
    start_session,
)

pytestmark = pytest.mark.anyio

SESSIONS = "(select json_agg(s) from auth.sessions() as s)"
ACCOUNT = {
    "sessions": SESSIONS,
    "end_session": "auth.end_session(gen_random_uuid())",
    "logout_others": "auth.logout_others()",
    "logout_all": "auth.logout_all()",
    "change_password": "auth.change_password('demo', 'another')",
}


@pytest.fixture
async def signed_in(connection: Connection) -> Visitor:
    return await sign_in(connection)


async def sign_in(connection: Connection, user: str = "demo") -> Visitor:
    return Visitor(connection, cookies={"refresh_token": await start_session(connection, user)})


async def id_of(visitor: Visitor) -> str:
    found: str = await visitor.connection.fetchval(
        "select auth_private.session_of_token($1)::text", visitor.cookies["refresh_token"]
    )
    return found


async def listed(visitor: Visitor, **options: Any) -> list[dict[str, Any]]:
    answer = await visitor.call(SESSIONS, **options)
    assert answer.status == 204, answer
    sessions: list[dict[str, Any]] = json.loads(answer.value)
    return sessions


def is_refused(answer: Answer) -> bool:
    return (answer.status, answer.sqlstate, answer.message) == (401, "PT401", SIGN_IN)


async def test_sessions_shows_ones_own_live_ones_the_latest_first(
    connection: Connection, signed_in: Visitor
) -> None:
    other = await sign_in(connection)
    await connection.execute("select auth.add_user('eve', $1, 'basic_subscriber')", DEMO_HASH)
    await sign_in(connection, "eve")
    gone = await sign_in(connection)
    await gone.logout()
    await age(connection, 5)
    signed_in.headers = {"user-agent": "Test/2.0"}
    await signed_in.refresh()

    first, second = await listed(signed_in)
    assert first.keys() == {
        *("id", "created_at", "last_seen_at", "address", "user_agent", "expires_at", "is_current")
    }
    assert (first["id"], first["is_current"]) == (await id_of(signed_in), True)
    assert (second["id"], second["is_current"]) == (await id_of(other), False)
    assert (first["user_agent"], second["user_agent"]) == ("Test/2.0", None)
    assert second["last_seen_at"] < first["last_seen_at"] < first["expires_at"]


async def test_an_expired_session_is_not_shown(connection: Connection, signed_in: Visitor) -> None:
    idle = await sign_in(connection)
    await age(connection, 700 * 3600)
    await signed_in.refresh()
    await age(connection, 20 * 3600)

    assert [session["id"] for session in await listed(signed_in)] == [await id_of(signed_in)]
    answer = await signed_in.call("auth.end_session($1)", await id_of(idle))
    assert answer.status == 404


async def test_sessions_needs_no_transaction_that_may_write(
    connection: Connection, signed_in: Visitor
) -> None:
    """GET /rpc/sessions straight through PostgREST."""
    await connection.execute("set transaction read only")

    assert len(await listed(signed_in)) == 1


@pytest.mark.parametrize("name", [name for name in ACCOUNT if name != "sessions"])
async def test_what_changes_something_does(connection: Connection, signed_in: Visitor, name: str) -> None:
    await connection.execute("set transaction read only")

    answer = await signed_in.call(ACCOUNT[name])
    assert (answer.sqlstate, answer.message) == ("25006", POST_ONLY)


@pytest.mark.parametrize("name", ACCOUNT)
class TestIdentity:
    async def test_nobody_is_told_to_sign_in(self, visitor: Visitor, name: str) -> None:
        for cookies in ({}, {"refresh_token": ""}, {"refresh_token": "A" * 43}):
            visitor.cookies = cookies
            assert is_refused(await visitor.call(ACCOUNT[name]))

    async def test_the_claim_of_a_live_session_is_enough(
        self, connection: Connection, visitor: Visitor, name: str
    ) -> None:
        claims = (await visitor.login()).claims
        bare = Visitor(connection)
        answer = await bare.call(ACCOUNT[name], role="basic_subscriber", claims=claims)

        assert answer.status == (404 if name == "end_session" else 204)

    async def test_a_claim_of_a_session_that_is_over_is_refused_whatever_the_cookie_says(
        self, connection: Connection, visitor: Visitor, signed_in: Visitor, name: str
    ) -> None:
        claims = (await visitor.login()).claims
        await visitor.logout()

        assert is_refused(await signed_in.call(ACCOUNT[name], role="basic_subscriber", claims=claims))
        assert await live_sessions(connection) == 1

    @pytest.mark.parametrize("sid", ["", "x", 7, ["x"], "00000000-0000-0000-0000-000000000000"])
    async def test_a_claim_of_something_else_is_refused(
        self, signed_in: Visitor, name: str, sid: object
    ) -> None:
        answer = await signed_in.call(ACCOUNT[name], role="basic_subscriber", claims={"sid": sid})

        assert is_refused(answer)

    async def test_a_token_without_the_claim_leaves_it_to_the_cookie(
        self, signed_in: Visitor, name: str
    ) -> None:
        """As the gateway calls, and as a token from before the claim has it."""
        for claims in ({}, {"sid": None}, {"username": "demo", "sub": "demo"}):
            answer = await signed_in.same_client().call(SESSIONS, claims=claims)
            assert answer.status == 204
        assert (await signed_in.call(ACCOUNT[name])).status == (404 if name == "end_session" else 204)

    async def test_a_token_just_replaced_still_says_who_one_is(
        self, connection: Connection, signed_in: Visitor, name: str
    ) -> None:
        late_tab = signed_in.same_client()
        await signed_in.refresh()
        await age(connection, 59)

        assert (await late_tab.call(ACCOUNT[name])).status == (404 if name == "end_session" else 204)

    async def test_a_token_replaced_long_ago_does_not_and_ends_nothing(
        self, connection: Connection, signed_in: Visitor, name: str
    ) -> None:
        thief = signed_in.same_client()
        await signed_in.refresh()
        await age(connection, 61)

        assert is_refused(await thief.call(ACCOUNT[name]))
        assert await live_sessions(connection) == 1

    async def test_an_expired_token_does_not(
        self, connection: Connection, signed_in: Visitor, name: str
    ) -> None:
        await age(connection, 720 * 3600)

        assert is_refused(await signed_in.call(ACCOUNT[name]))


async def test_a_disabled_user_changes_nothing_even_if_the_session_is_still_there(
    connection: Connection, signed_in: Visitor
) -> None:
    await connection.execute(
        "alter table auth.user disable trigger user_400_end_sessions;update auth.user set disabled_at = now()"
    )
    for name in ("logout_others", "logout_all", "change_password"):
        assert is_refused(await signed_in.call(ACCOUNT[name]))


async def test_who_was_renamed_signs_in_anew(connection: Connection, visitor: Visitor) -> None:
    claims = (await visitor.login()).claims
    await connection.execute("update auth.user set username = 'renamed'")

    assert is_refused(await visitor.call(ACCOUNT["sessions"], role="basic_subscriber", claims=claims))
    assert is_refused(await visitor.call(ACCOUNT["sessions"]))
    assert (await visitor.login("renamed")).claims["username"] == "renamed"
    assert len(await listed(visitor)) == 1


async def test_end_session_ends_that_one_alone(connection: Connection, signed_in: Visitor) -> None:
    other, third = await sign_in(connection), await sign_in(connection)
    answer = await signed_in.call("auth.end_session($1)", await id_of(other))

    assert (answer.status, answer.cookies) == (204, [])
    assert [(await visitor.refresh()).status for visitor in (signed_in, other, third)] == [204, 401, 204]


async def test_end_session_on_this_one_clears_the_cookies(signed_in: Visitor) -> None:
    answer = await signed_in.call("auth.end_session($1)", await id_of(signed_in))

    assert (answer.status, answer.clears) == (204, {"access_token", "refresh_token"})


async def test_end_session_knows_no_session_of_somebody_else(
    connection: Connection, signed_in: Visitor
) -> None:
    await connection.execute("select auth.add_user('eve', $1, 'basic_subscriber')", DEMO_HASH)
    hers, gone = await sign_in(connection, "eve"), await sign_in(connection)
    over = await id_of(gone)
    await gone.logout()
    for id_ in (await id_of(hers), over, "00000000-0000-0000-0000-000000000000", None):
        answer = await signed_in.call("auth.end_session($1)", id_)
        assert (answer.status, answer.message) == (404, "There is no such session")
    assert await live_sessions(connection, "eve") == 1


async def test_logout_others_keeps_this_one(connection: Connection, signed_in: Visitor) -> None:
    others = [await sign_in(connection) for _ in range(3)]
    answer = await signed_in.call("auth.logout_others()")

    assert (answer.status, answer.cookies) == (204, [])
    assert [(await visitor.refresh()).status for visitor in (signed_in, *others)] == [204, 401, 401, 401]
    assert (await signed_in.call("auth.logout_others()")).status == 204


async def test_logout_all_ends_all_of_this_user_and_clears_the_cookies(
    connection: Connection, signed_in: Visitor
) -> None:
    await connection.execute("select auth.add_user('eve', $1, 'basic_subscriber')", DEMO_HASH)
    await sign_in(connection, "eve")
    others = [await sign_in(connection) for _ in range(3)]
    kept = signed_in.same_client()
    answer = await signed_in.call("auth.logout_all()")

    assert (answer.status, answer.clears) == (204, {"access_token", "refresh_token"})
    assert {(await visitor.refresh()).status for visitor in (kept, *others)} == {401}
    assert await live_sessions(connection, "eve") == 1
