"""auth.event: what is recorded, what the gateway may add, and that nothing is taken back."""

import json
from typing import Any

import asyncpg
import pytest

from .test_login import RAISE_THE_COST
from .visitors import DEMO_HASH, SETTINGS, Connection, Visitor, age, start_session

pytestmark = pytest.mark.anyio

NOTE = "select auth.note_failure($1, $2, $3, $4)"
FAILURES = [
    *("sign_in_failed", "sign_in_throttled", "password_change_failed", "password_change_throttled"),
    "refresh_throttled",
]


@pytest.fixture
def client(connection: Connection) -> Visitor:
    return Visitor(
        connection,
        headers={"user-agent": "Test/1.0"},
        settings={**SETTINGS, "app.settings.client_address": "192.0.2.7"},
    )


async def events(connection: Connection) -> list[Any]:
    """Since the user was made."""
    return await connection.fetch("select * from auth.event where kind <> 'user_added' order by id")


async def kinds(connection: Connection) -> list[str]:
    return [event["kind"] for event in await events(connection)]


async def test_a_session_leaves_a_trail(connection: Connection, client: Visitor) -> None:
    await client.login()
    await client.refresh()
    session = await connection.fetchval("select id from auth.session")
    user = await connection.fetchval("select id::text from auth.user")
    await client.logout()
    trail = await events(connection)

    assert [event["kind"] for event in trail] == ["sign_in", "logout"], "renewals are not told one by one"
    for event in trail:
        assert (event["username"], event["subject"], event["session"]) == ("demo", user, session)
        assert (event["address"], event["user_agent"]) == ("192.0.2.7", "Test/1.0")
    assert trail[0]["at"] < trail[1]["at"]


async def test_a_change_of_password_is_told_before_what_it_ends(
    connection: Connection, client: Visitor
) -> None:
    await start_session(connection)
    client.cookies["refresh_token"] = await start_session(connection)
    await client.call("auth.change_password('demo', 'new')")

    assert await kinds(connection) == ["password_changed", "session_ended", "session_ended", "sign_in"]


async def test_a_replay_is_told_of_once(connection: Connection, client: Visitor) -> None:
    client.cookies["refresh_token"] = await start_session(connection)
    thief = client.same_client()
    await client.refresh()
    await age(connection, 61)
    for _ in range(3):
        assert (await thief.same_client().refresh()).status == 401

    (event,) = await events(connection)
    assert event["kind"] == "refresh_replayed"
    assert event["session"] == await connection.fetchval("select id from auth.session")


SHARED: dict[str, tuple[dict[str, str], dict[str, str], list[str]]] = {
    "the same client": ({}, {}, []),
    "another user agent": ({"user-agent": "Other/2.0"}, {}, ["refresh_shared"]),
    "another address": ({}, {"app.settings.client_address": "198.51.100.9"}, ["refresh_shared"]),
    "no user agent": ({"user-agent": ""}, {}, []),
    "no address": ({}, {"app.settings.client_address": ""}, []),
}


@pytest.mark.parametrize("who", SHARED)
async def test_a_token_that_two_clients_use_within_the_grace_window_is_told_of_once(
    connection: Connection, client: Visitor, who: str
) -> None:
    headers, settings, told = SHARED[who]
    client.cookies["refresh_token"] = await start_session(connection)
    other = client.same_client()
    other.headers = {**client.headers, **headers}
    other.settings = {**client.settings, **settings}
    await client.refresh()
    for _ in range(3):
        assert (await other.same_client().refresh()).status == 204

    assert await kinds(connection) == told


@pytest.mark.parametrize("call", ["auth.logout()", "auth.logout_all()", "auth.login('demo', 'demo')"])
async def test_a_token_that_comes_after_its_holder_gave_it_up_is_told_of_once(
    connection: Connection, client: Visitor, call: str
) -> None:
    """It clears no cookies: they may be those of a later session."""
    client.cookies["refresh_token"] = await start_session(connection)
    thief = client.same_client()
    await client.call(call)
    before = await kinds(connection)
    for _ in range(3):
        answer = await thief.refresh()
        assert (answer.status, answer.sqlstate, answer.cookies) == (401, "", [])

    assert await kinds(connection) == [*before, "refresh_replayed"]


async def test_a_device_that_was_signed_out_by_another_is_no_thief(
    connection: Connection, client: Visitor
) -> None:
    other = Visitor(connection, cookies={"refresh_token": await start_session(connection)})
    client.cookies["refresh_token"] = await start_session(connection)
    await client.call("auth.logout_others()")
    assert (await other.refresh()).sqlstate == "PT401"

    assert await kinds(connection) == ["session_ended"]


STATES = {
    "insert into auth.user (username, password, role) values ('eve', 'eve', 'anon')": ["user_added"],
    f"select auth.add_user('eve', '{DEMO_HASH}', 'anon')": ["user_added"],
    "update auth.user set password = 'other'": ["password_set"],
    "update auth.user set username = 'eve'": ["user_renamed"],
    "update auth.user set role = 'anon'": ["role_changed"],
    "select auth.disable_user('demo')": ["user_disabled"],
    "select auth.disable_user('demo'), auth.disable_user('demo')": ["user_disabled"],
    "select auth.disable_user('demo'), auth.enable_user('demo')": ["user_disabled", "user_enabled"],
    "select auth.enable_user('demo')": [],
    "update auth.user set username = username, password = password, role = role": [],
    "delete from auth.user": ["user_deleted"],
}


@pytest.mark.parametrize("statement", STATES)
async def test_what_the_owner_does_is_recorded(connection: Connection, statement: str) -> None:
    await connection.execute("select set_config('request.headers', '', true)")
    last = await connection.fetchval("select max(id) from auth.event")
    ids = "select id::text from auth.user"
    before = await connection.fetch(ids)
    await connection.execute(statement)
    rows = await connection.fetch("select * from auth.event where id > $1 order by id", last)

    assert [row["kind"] for row in rows] == STATES[statement]
    assert {(row["address"], row["user_agent"]) for row in rows} <= {(None, None)}
    assert {row["username"] for row in rows} <= {"eve"} if "eve" in statement else {"demo"}
    assert {row["subject"] for row in rows} <= {row["id"] for row in [*before, *await connection.fetch(ids)]}


async def test_a_stronger_hash_of_the_same_password_is_no_event(
    connection: Connection, client: Visitor
) -> None:
    await connection.execute("update auth.user set password = 'demo'")
    await connection.execute(RAISE_THE_COST)
    await client.login()

    assert await kinds(connection) == ["password_set", "sign_in"]


@pytest.mark.parametrize("kind", FAILURES)
async def test_the_gateway_notes_failures(connection: Connection, kind: str) -> None:
    await connection.execute(NOTE, kind, "demo", "192.0.2.7", "Test/1.0")
    (event,) = await events(connection)

    assert (event["kind"], event["username"], event["session"]) == (kind, "demo", None)
    assert event["subject"] == await connection.fetchval("select id::text from auth.user")
    assert (event["address"], event["user_agent"]) == ("192.0.2.7", "Test/1.0")


@pytest.mark.parametrize("kind", ["sign_in", "logout", "", None, "sign_in_failed "])
async def test_the_gateway_notes_nothing_else(connection: Connection, kind: str | None) -> None:
    with pytest.raises(asyncpg.InvalidParameterValueError, match="this is no kind of failure"):
        await connection.execute(NOTE, kind, "demo", "", "")


@pytest.mark.parametrize("name", ["nobody", "correct horse battery", "", None, "de\nmo", "x" * 100_000])
async def test_a_name_that_no_user_has_is_not_written_down(connection: Connection, name: str | None) -> None:
    """People type their password into the wrong field."""
    await connection.execute(NOTE, "sign_in_failed", name, None, "")
    (event,) = await events(connection)

    assert (event["username"], event["subject"]) == (None, None)
    assert (event["address"], event["user_agent"]) == (None, None)


async def test_a_name_is_noted_in_its_one_form(connection: Connection) -> None:
    await connection.execute("update auth.user set username = $1", "d\u00e9mo")
    await connection.execute(NOTE, "sign_in_failed", "de\u0301mo", "9" * 500, "\u202ex" * 5000)
    event = (await events(connection))[-1]

    assert (event["username"], event["address"], event["user_agent"]) == ("d\u00e9mo", "9" * 64, "x" * 256)


@pytest.mark.parametrize(
    "statement",
    ["update auth.event set kind = 'x'", "delete from auth.event", "truncate auth.event"],
)
@pytest.mark.parametrize("role", ["auth_owner", "postgres"])
async def test_events_are_not_taken_back(connection: Connection, role: str, statement: str) -> None:
    await connection.execute(f"set local role {role}")
    with pytest.raises(asyncpg.ObjectNotInPrerequisiteStateError, match="events are only added"):
        await connection.execute(statement)


async def test_old_events_are_pruned_by_logins_and_by_failures(
    connection: Connection, client: Visitor
) -> None:
    async def add_old() -> None:
        await connection.execute(
            "insert into auth.event (at, kind) values (now() - interval '2161 hours', 'old'),"
            " (now() - interval '2159 hours', 'young')"
        )

    await add_old()
    await client.login()
    assert set(await kinds(connection)) == {"young", "sign_in"}
    await add_old()
    await connection.execute(NOTE, "sign_in_failed", "demo", "", "")
    assert set(await kinds(connection)) == {"young", "sign_in", "sign_in_failed"}


async def test_an_event_of_ones_own_may_have_any_plain_kind(connection: Connection) -> None:
    await connection.execute("select auth_private.record_event('ticket_redeemed', 'demo')")
    for kind in ("", "Ticket", "a b", "x" * 64):
        with pytest.raises(asyncpg.CheckViolationError):
            async with connection.transaction():
                await connection.execute("select auth_private.record_event($1, 'demo')", kind)


async def test_a_trail_is_of_one_line_each_as_json(connection: Connection, client: Visitor) -> None:
    """What a stranger says cannot break out of a line of a log that is made of it."""
    client.headers = {"user-agent": 'x\r\n{"kind":"forged"}'}
    await client.login()
    text = await connection.fetchval(
        "select row_to_json(e)::text from auth.event as e where kind = 'sign_in'"
    )

    assert "\n" not in text
    assert "\\n" not in text
    assert json.loads(text)["user_agent"] == 'x{"kind":"forged"}'
