"""auth.session: what is known of a login on a device, and how long it may last."""

import json
from typing import Any

import jwt
import pytest

from .visitors import INVALID_TOKEN, SETTINGS, Connection, Visitor, age, live_sessions, start_session

pytestmark = pytest.mark.anyio

HOUR = 3600
IDLE_HOURS = 720
LIFE_HOURS = 2160


def client(connection: Connection, address: str = "192.0.2.7", user_agent: str = "Test/1.0") -> Visitor:
    return Visitor(
        connection,
        headers={"user-agent": user_agent},
        settings={**SETTINGS, "app.settings.client_address": address},
    )


async def session(connection: Connection) -> Any:
    (row,) = await connection.fetch(
        "select *, last_seen_at > created_at as renewed, expires_at - created_at as life from auth.session"
    )
    return row


async def test_a_login_is_a_session_with_what_is_known_of_the_client(connection: Connection) -> None:
    await client(connection).login()
    row = await session(connection)

    assert (row["address"], row["user_agent"]) == ("192.0.2.7", "Test/1.0")
    assert (row["ended_at"], row["ended_reason"], row["renewed"]) == (None, None, False)
    assert row["life"].total_seconds() == LIFE_HOURS * HOUR


async def test_its_id_is_the_family_of_its_tokens_and_the_claim_of_its_access_tokens(
    connection: Connection, visitor: Visitor
) -> None:
    claims = [(await visitor.login()).claims, (await visitor.refresh()).claims]

    (family,) = await connection.fetch("select distinct family from auth.refresh_token")
    assert {one["sid"] for one in claims} == {str(family["family"])}
    assert (await session(connection))["id"] == family["family"]


async def test_a_refresh_says_when_and_from_where_it_was_last_seen(connection: Connection) -> None:
    visitor = client(connection)
    await visitor.login()
    await age(connection, 60)
    moved = client(connection, "2001:db8::1", "Test/2.0")
    moved.cookies = visitor.cookies
    await moved.refresh()
    row = await session(connection)

    assert (row["address"], row["user_agent"], row["renewed"]) == ("2001:db8::1", "Test/2.0", True)
    assert await connection.fetchval("select clock_timestamp() - last_seen_at < '10 s' from auth.session")


async def test_only_the_refresh_that_rotates_counts_as_seen(connection: Connection, visitor: Visitor) -> None:
    await visitor.login()
    late_tab = visitor.same_client()
    await visitor.refresh()
    before = (await session(connection))["last_seen_at"]
    await late_tab.refresh()

    assert (await session(connection))["last_seen_at"] == before


STRANGE = {
    "nobody says": ("", {}, None, None),
    "a blank": (" ", {"user-agent": " "}, None, None),
    "long": ("9" * 5000, {"user-agent": "x" * 5000}, "9" * 64, "x" * 256),
    "invisible": ("\u200b::1\x1b[2J", {"user-agent": "a\tb\u202ec\x9b"}, "::1[2J", "abc"),
    "invisible and long": ("\u200b" * 5000, {"user-agent": "\u200b" * 5000 + "x"}, None, None),
    "no text": ("::1", {"user-agent": ["x"]}, "::1", '["x"]'),
}


@pytest.mark.parametrize("which", STRANGE)
async def test_what_a_client_says_is_cut_and_made_legible_and_never_fails_a_request(
    connection: Connection, which: str
) -> None:
    told, headers, address, user_agent = STRANGE[which]
    visitor = Visitor(
        connection,
        settings={
            **SETTINGS,
            "app.settings.client_address": told,
            "request.headers": json.dumps(headers),
        },
    )
    assert (await visitor.login()).status == 204
    assert (await visitor.refresh()).status == 204
    row = await session(connection)

    assert (row["address"], row["user_agent"]) == (address, user_agent)


@pytest.mark.parametrize("headers", ["", "nonsense", "null", "7", '{"user-agent": "\\u0000"}'])
async def test_headers_that_are_none_are_no_user_agent(connection: Connection, headers: str) -> None:
    visitor = Visitor(connection, settings={**SETTINGS, "request.headers": headers})

    assert (await visitor.login()).status == 204
    assert (await session(connection))["user_agent"] is None


async def test_a_session_that_stands_still_expires(connection: Connection) -> None:
    visitor = Visitor(connection, cookies={"refresh_token": await start_session(connection)})
    await age(connection, (IDLE_HOURS - 1) * HOUR)
    assert (await visitor.refresh()).status == 204
    await age(connection, IDLE_HOURS * HOUR)

    answer = await visitor.refresh()
    assert (answer.status, answer.message) == (401, INVALID_TOKEN)
    assert await live_sessions(connection) == 0


async def test_a_session_that_is_always_busy_expires_too(connection: Connection) -> None:
    visitor = Visitor(connection, cookies={"refresh_token": await start_session(connection)})
    for _ in range(LIFE_HOURS // 500):
        await age(connection, 500 * HOUR)
        assert (await visitor.refresh()).status == 204
    await age(connection, (LIFE_HOURS % 500) * HOUR)

    answer = await visitor.refresh()
    assert (answer.status, answer.message) == (401, INVALID_TOKEN)
    assert await live_sessions(connection) == 0


async def test_no_token_and_no_cookie_outlives_its_session(connection: Connection, visitor: Visitor) -> None:
    await visitor.login()
    await connection.execute("update auth.session set expires_at = clock_timestamp() + interval '5 minutes'")
    for answer in [await visitor.refresh(), await visitor.refresh()]:
        lives = [int(cookie.attribute("Max-Age") or 0) for cookie in answer.cookies]
        claims = answer.claims
        assert all(290 < life <= 300 for life in lives)
        assert 320 <= claims["exp"] - claims["iat"] <= 330
    assert await connection.fetchval(
        "select bool_and(t.expires_at <= s.expires_at) from auth.refresh_token as t"
        " join auth.session as s on s.id = t.family where t.replaced_at is null"
    )


async def test_a_session_cut_short_by_hand_is_over_whatever_its_tokens_say(
    connection: Connection, visitor: Visitor
) -> None:
    await visitor.login()
    await connection.execute("update auth.session set expires_at = clock_timestamp()")

    assert (await visitor.refresh()).status == 401
    assert (await visitor.call("auth.logout_others()")).status == 401


@pytest.mark.parametrize(
    ("life", "value", "seconds"),
    [
        ("access_token_life", 30, (30, IDLE_HOURS * HOUR, LIFE_HOURS * HOUR)),
        ("refresh_token_life", 1, (600, HOUR, LIFE_HOURS * HOUR)),
        ("session_life", 2, (600, 2 * HOUR, 2 * HOUR)),
    ],
)
async def test_the_owner_may_change_each_life(
    connection: Connection, visitor: Visitor, life: str, value: int, seconds: tuple[int, int, int]
) -> None:
    await connection.execute("update auth.setting set value = $2 where name = $1", life, value)
    answer = await visitor.login()
    access = jwt.decode(answer.cookie("access_token").value, options={"verify_signature": False})

    assert access["exp"] - access["iat"] == seconds[0] + 30
    assert answer.cookie("refresh_token").attribute("Max-Age") == str(seconds[1])
    assert (await session(connection))["life"].total_seconds() == seconds[2]


async def test_what_was_issued_keeps_its_life_when_lives_are_shortened(
    connection: Connection, visitor: Visitor
) -> None:
    staying = Visitor(connection, cookies={"refresh_token": await start_session(connection)})
    await connection.execute("update auth.setting set value = 1 where name = 'refresh_token_life'")
    await age(connection, 48 * HOUR)
    await visitor.login()  # which prunes

    assert (await staying.refresh()).status == 204


async def test_sessions_are_pruned_when_nothing_of_them_is_left(
    connection: Connection, visitor: Visitor
) -> None:
    for _ in range(3):
        await start_session(connection)
    await age(connection, IDLE_HOURS * HOUR + 60)
    await visitor.login()  # their tokens
    assert await connection.fetchval("select count(*) from auth.refresh_token") == 1
    await visitor.login()

    assert await connection.fetchval("select count(*) from auth.session") == 2
    assert await connection.fetchval("select count(*) from auth.event where kind = 'session_ended'") == 1
