"""Whose session it is: a user by an id that never changes, or a subject without a row in auth.user."""

import asyncio
import json
from typing import Any

import asyncpg
import pytest

from .conftest import Connect
from .ears import Ears
from .visitors import (
    DEMO_HASH,
    INVALID_TOKEN,
    POST_ONLY,
    Connection,
    Visitor,
    age,
    is_waiting,
    start_session,
)

pytestmark = pytest.mark.anyio

ROLE = "basic_subscriber"
ISSUE = "auth.issue_tokens($1, $2, $3)"
LIVE = "select count(*) from auth.session as s where subject = $1 and auth_private.session_is_live(s)"
SESSIONS = "(select json_agg(s) from auth.sessions() as s)"
GRANT = "grant execute on function auth.issue_tokens(text, text, jsonb) to anon"
CLAIMS = {"username": "guest 7", "email": "guest@example.com", "tenant": {"id": 3, "plan": None}}


async def issue(
    connection: Connection, subject: str = "service:7", role: str = ROLE, claims: object = CLAIMS
) -> Visitor:
    """A browser with the cookies that a service got for it."""
    visitor = Visitor(connection)
    await connection.execute(GRANT)
    answer = await visitor.call(ISSUE, subject, role, json.dumps(claims))
    assert answer.status == 204, answer
    return visitor


async def live(connection: Connection, subject: str = "service:7") -> int:
    count: int = await connection.fetchval(LIVE, subject)
    return count


# --- users


async def test_a_user_gets_an_id_that_no_statement_changes(connection: Connection) -> None:
    user = await connection.fetchval("select id from auth.user")
    for statement in (
        "update auth.user set id = gen_random_uuid()",
        "update auth.user set id = gen_random_uuid(), username = 'renamed'",
        "update auth.user set id = null",
    ):
        with pytest.raises(asyncpg.PostgresError) as refused:
            async with connection.transaction():
                await connection.execute(statement)
        assert refused.value.sqlstate in {"55000", "23502"}
    await connection.execute("update auth.user set id = id, username = 'renamed'")

    assert user.version == 4
    assert await connection.fetchval("select id from auth.user where username = 'renamed'") == user


@pytest.mark.parametrize("key", ["auth.user", "auth.user (id)", "auth.user (username) on update cascade"])
async def test_peoples_tables_may_refer_to_a_user(connection: Connection, key: str) -> None:
    type_ = "text" if "username" in key else "uuid"
    await connection.execute(
        f"create table public.note (owner {type_} references {key} on delete cascade);"  # noqa: S608
        f"insert into public.note select {'username' if type_ == 'text' else 'id'} from auth.user;"
        "update auth.user set username = 'renamed'"
    )
    assert await connection.fetchval("select count(*) from public.note") == 1
    await connection.execute("delete from auth.user")

    assert await connection.fetchval("select count(*) from public.note") == 0


ADDRESSES = {
    "demo@example.com": True,
    "Zoë+tag@bücher.example": True,
    "a" * 242 + "@example.com": True,
    "a" * 243 + "@example.com": False,
    "demo": False,
    "a@b@c": False,
    "@example.com": False,
    "demo@": False,
    "de mo@example.com": False,
    "demo@example.com\r\nBcc: eve@example.com": False,
    "": False,
}


@pytest.mark.parametrize("address", ADDRESSES)
async def test_an_address_has_the_form_of_one(connection: Connection, address: str) -> None:
    set_it = connection.execute("update auth.user set email = $1", address)
    if ADDRESSES[address]:
        await set_it
    else:
        with pytest.raises(asyncpg.CheckViolationError):
            await set_it


async def test_two_users_have_no_address_in_common_in_any_spelling(connection: Connection) -> None:
    await connection.execute("update auth.user set email = 'Demo@Example.com'")
    await connection.execute("select auth.add_user('eve', $1, $2)", DEMO_HASH, ROLE)
    for spelling in ("demo@example.com", "\uff24emo@example.com"):
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.execute("update auth.user set email = $1 where username = 'eve'", spelling)


async def test_an_identity_is_of_one_user_and_goes_with_it(connection: Connection) -> None:
    await connection.execute("select auth.add_user('eve', $1, $2)", DEMO_HASH, ROLE)
    tie = "insert into auth.identity (issuer, subject, user_id) select $1, $2, u.id from auth.user as u"
    tie += " where u.username = $3"
    await connection.execute(tie, "https://one.example", "7", "demo")
    await connection.execute(tie, "https://two.example", "7", "eve")  # another person
    for again in ("demo", "eve"):
        with pytest.raises(asyncpg.UniqueViolationError):
            async with connection.transaction():
                await connection.execute(tie, "https://one.example", "7", again)
    await connection.execute("delete from auth.user where username = 'demo'")

    left = await connection.fetch("select issuer, subject from auth.identity")
    assert [tuple(row.values()) for row in left] == [("https://two.example", "7")]


# --- sessions without a user


async def test_a_session_without_a_user_keeps_its_role_and_claims(connection: Connection) -> None:
    visitor = Visitor(connection)
    await connection.execute(GRANT)
    first = (await visitor.call(ISSUE, "service:7", ROLE, json.dumps(CLAIMS))).claims
    await age(connection, 3600)
    second = (await visitor.refresh()).claims

    for claims in (first, second):
        assert (claims["sub"], claims["role"], claims["amr"], claims["aal"]) == ("service:7", ROLE, [], 1)
        assert {name: claims[name] for name in CLAIMS} == CLAIMS
    fixed = {"sub", "role", "sid", "amr", "aal", "auth_time", *CLAIMS}
    assert {name: first[name] for name in fixed} == {name: second[name] for name in fixed}
    assert first.keys() == second.keys() == fixed | {"iat", "exp", "jti"}


async def test_it_is_rotated_and_its_replay_ends_it(connection: Connection) -> None:
    visitor = await issue(connection)
    late_tab, thief = visitor.same_client(), visitor.same_client()
    first, second = await visitor.refresh(), await late_tab.refresh()
    assert first.cookie("refresh_token").value == second.cookie("refresh_token").value
    await age(connection, 61)

    answer = await thief.refresh()
    assert (answer.status, answer.clears) == (401, {"access_token", "refresh_token"})
    assert (await visitor.refresh()).status == 401
    (event,) = await connection.fetch("select * from auth.event where kind = 'refresh_replayed'")
    assert (event["username"], event["subject"]) == (None, "service:7")


ROADS = {
    "auth.logout()": 1,
    "auth.logout_others()": 1,
    "auth.logout_all()": 0,
}


@pytest.mark.parametrize("call", ROADS)
async def test_its_holder_sees_and_ends_the_sessions_of_the_subject_alone(
    connection: Connection, call: str
) -> None:
    visitor, other = await issue(connection), await issue(connection)
    await issue(connection, "service:70")
    await start_session(connection)
    claims = (await visitor.refresh()).claims
    listed = json.loads((await visitor.call(SESSIONS, claims=claims)).value)
    assert [session["is_current"] for session in listed] == [True, False]
    assert (await visitor.call(call, claims=claims)).status == 204

    assert await live(connection) == ROADS[call]
    assert await live(connection, "service:70") == 1
    assert (await other.refresh()).status == (204 if call == "auth.logout()" else 401)
    ended = await connection.fetch("select sid from auth.ended_sessions()")
    assert len(ended) == 2 - ROADS[call]


async def test_one_of_another_subject_is_not_there(connection: Connection) -> None:
    visitor, _ = await issue(connection), await issue(connection, "service:70")
    (other,) = await connection.fetch("select id::text from auth.session where subject = 'service:70'")

    assert (await visitor.call("auth.end_session($1)", other["id"])).status == 404
    assert await live(connection, "service:70") == 1


async def test_it_has_no_password_to_change(connection: Connection) -> None:
    visitor = await issue(connection)
    for old in ("", "demo", None):
        answer = await visitor.call("auth.change_password($1, 'new')", old)
        assert (answer.status, answer.message) == (401, "Invalid password")


async def test_me_says_who_it_is(connection: Connection) -> None:
    visitor = await issue(connection)
    claims = (await visitor.refresh()).claims
    me = json.loads((await visitor.call("auth.me()", role=ROLE, claims=claims)).value)

    assert (me["id"], me["username"], me["email"]) == ("service:7", "guest 7", "guest@example.com")
    assert (me["role"], me["amr"], me["auth_time"]) == (ROLE, [], claims["auth_time"])
    assert (me["session"], me["expires_at"] is None) == (claims["sid"], False)


async def test_so_many_of_a_subject_and_no_more(connection: Connection) -> None:
    await connection.execute("update auth.setting set value = 2 where name = 'sessions_per_user'")
    await issue(connection, "service:70")
    first, second, third = [await issue(connection) for _ in range(3)]

    assert await live(connection) == 2
    assert await live(connection, "service:70") == 1
    assert [(await one.refresh()).status for one in (first, second, third)] == [401, 204, 204]


async def test_a_role_that_may_not_be_given_any_more_ends_the_renewals(connection: Connection) -> None:
    visitor = await issue(connection)
    await connection.execute(f"grant pg_read_all_data to {ROLE}")

    answer = await visitor.refresh()
    assert (answer.status, answer.message) == (401, INVALID_TOKEN)


async def test_the_owner_ends_all_of_a_subject(connection: Connection) -> None:
    for _ in range(2):
        await issue(connection)
    await issue(connection, "service:70")
    end = "select auth_private.end_sessions_of_subject('service:7', 'x')"

    assert [await connection.fetchval(end) for _ in range(2)] == [2, 0]
    assert await live(connection, "service:70") == 1


async def test_the_name_of_a_user_is_not_the_subject_of_one(connection: Connection) -> None:
    """No function takes one for the other: a guest called demo is not the user demo."""
    await start_session(connection)
    guest = await issue(connection, "demo")
    assert len(json.loads((await guest.call(SESSIONS)).value)) == 1
    await guest.call("auth.logout_all()")

    assert await connection.fetchval("select auth_private.end_sessions_of('demo', 'x')") == 1


REFUSED: dict[str, tuple[str | None, str | None, str | None, str]] = {
    "no subject": (None, ROLE, "{}", "23502"),
    "an empty one": ("", ROLE, "{}", "23514"),
    "a long one": ("x" * 256, ROLE, "{}", "23514"),
    "a control character": ("a\nb", ROLE, "{}", "23514"),
    "no role": ("a", None, "{}", "23503"),
    "a role that is not there": ("a", "nobody_at_all", "{}", "23503"),
    "a superuser": ("a", "postgres", "{}", "23503"),
    "part of the machinery": ("a", "auth_owner", "{}", "23503"),
    "no claims": ("a", ROLE, None, "23502"),
    "claims that are a list": ("a", ROLE, '["role"]', "23514"),
}


@pytest.mark.parametrize("why", REFUSED)
async def test_what_a_service_may_not_open(connection: Connection, why: str) -> None:
    *arguments, sqlstate = REFUSED[why]
    await connection.execute(GRANT)
    answer = await Visitor(connection).call(ISSUE, *arguments)

    assert (answer.sqlstate, answer.cookies) == (sqlstate, [])


async def test_the_id_of_a_user_is_no_subject_of_a_service(connection: Connection) -> None:
    """Such a session would outlive the user's being disabled."""
    user = await connection.fetchval("select id::text from auth.user")
    await connection.execute(GRANT)
    answer = await Visitor(connection).call(ISSUE, user, ROLE, "{}")

    assert (answer.sqlstate, answer.message) == ("23514", "the subject is the id of a user")


async def test_a_service_posts_and_may_leave_out_the_claims(connection: Connection) -> None:
    await connection.execute("create role authenticated; " + GRANT)
    visitor = Visitor(connection)
    assert (await visitor.call("auth.issue_tokens(subject => 'a')")).claims["role"] == "authenticated"
    await connection.execute("set transaction read only")

    assert (await visitor.call("auth.issue_tokens('a')")).message == POST_ONLY


# --- claims

FORGED: dict[str, Any] = {
    "role": "postgres",
    "sub": "admin",
    "sid": "00000000-0000-0000-0000-000000000000",
    "iss": "https://other.example",
    "aud": "other",
    "iat": 1,
    "nbf": 9_999_999_999,
    "exp": 9_999_999_999,
    "jti": "x",
    "amr": ["mfa"],
    "aal": 2,
    "acr": "2",
    "auth_time": 9_999_999_999,
}


async def test_claims_of_a_session_replace_none_that_we_make(connection: Connection) -> None:
    visitor = await issue(connection, claims={**FORGED, "tenant": 3})
    claims = (await visitor.refresh()).claims

    assert [name for name, value in FORGED.items() if claims.get(name) == value] == []
    assert (claims["sub"], claims["role"], claims["tenant"]) == ("service:7", ROLE, 3)
    assert set(await connection.fetchval("select auth_private.reserved_claims(false)")) == set(FORGED)


async def test_nor_the_name_and_address_of_a_user(connection: Connection) -> None:
    visitor = Visitor(connection)
    own = {**FORGED, "username": "eve", "email": "eve@example.com", "tenant": 3}
    user = await connection.fetchval("select id from auth.user")
    answer = await visitor.call(
        "auth_private.start_session($1, '{otp,mfa}', $2)", user, json.dumps(own), role="auth_owner"
    )
    claims = answer.claims

    assert (claims["username"], claims.get("email"), claims["sub"]) == ("demo", None, str(user))
    assert (claims["amr"], claims["aal"], claims["tenant"]) == (["otp", "mfa"], 2, 3)


SETTLED = {
    "there is no such user": "delete from auth.user",
    "the user is disabled": "update auth.user set disabled_at = now()",
    "the role may not be given": f"grant pg_read_all_data to {ROLE}",
}


@pytest.mark.parametrize("why", SETTLED)
async def test_a_user_who_may_not_sign_in_gets_no_session_however_proven(
    connection: Connection, why: str
) -> None:
    user = await connection.fetchval("select id from auth.user")
    await connection.execute(SETTLED[why])
    answer = await Visitor(connection).call(
        "auth_private.start_session($1, '{pwd}')", user, role="auth_owner"
    )

    assert (answer.status, answer.cookies) == (401, [])
    assert await connection.fetchval("select count(*) from auth.session") == 0


# --- at once


async def test_two_of_a_subject_at_once_do_not_exceed_the_cap(connect: Connect, owner: Connection) -> None:
    await owner.execute(GRANT)
    await owner.execute("update auth.setting set value = 2 where name = 'sessions_per_user'")
    visitors = [Visitor(await connect()) for _ in range(6)]
    answers = await asyncio.gather(*(one.call(ISSUE, "service:7", ROLE, "{}") for one in visitors))

    assert {answer.status for answer in answers} == {204}
    assert await live(owner) == 2


async def test_a_session_under_way_does_not_survive_the_end_of_all(
    connect: Connect, owner: Connection
) -> None:
    await owner.execute(GRANT)
    kept = Visitor(await connect())
    assert (await kept.call(ISSUE, "service:7", ROLE, "{}")).status == 204
    service, other = Visitor(await connect()), await connect()
    transaction = service.connection.transaction()
    await transaction.start()
    await service.call(ISSUE, "service:7", ROLE, "{}")
    kept.connection = other
    ending = asyncio.create_task(kept.call("auth.logout_all()"))
    await is_waiting(owner, other)
    await transaction.commit()

    assert (await ending).status == 204
    assert await live(owner) == 0


async def test_its_end_is_told_to_the_gateways(connect: Connect, owner: Connection) -> None:
    await owner.execute(GRANT)
    ears = await Ears.open(await connect())
    visitor = Visitor(await connect())
    claims = (await visitor.call(ISSUE, "service:7", ROLE, "{}")).claims
    await visitor.logout()

    assert [one["sid"] for one in await ears.told()] == [claims["sid"]]


async def test_the_owner_ends_a_session_by_its_id_and_by_the_claim_that_the_log_has(
    connection: Connection, visitor: Visitor
) -> None:
    end = "select auth_private.end_session($1, 'x')"
    for by in ("id", "sid"):
        await visitor.login()
        await connection.execute("update auth.user set role = 'anon'")
        claims = (await visitor.refresh()).claims
        live_one = "select id::text, sid::text from auth.session where ended_at is null"
        (row,) = await connection.fetch(live_one)
        assert row["id"] != row["sid"] == claims["sid"]
        assert [await connection.fetchval(end, row[by]) for _ in range(2)] == [True, False]
        await connection.execute(f"update auth.user set role = '{ROLE}'")  # noqa: S608 (ours)
