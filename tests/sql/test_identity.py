"""auth.me, auth.user_id and auth.username: who asks, as the verified claims have it."""

import json

import asyncpg
import pytest

from .visitors import Connection, Visitor, age

pytestmark = pytest.mark.anyio

USER = "0b8f8a3e-3c6a-4d7e-9b43-0d6f4a0f2c11"
CLAIMS = {"username": "demo", "sub": USER, "role": "basic_subscriber"}
NOBODY = dict.fromkeys(
    ["id", "username", "email", "role", "amr", "aal", "auth_time", "session", "expires_at"]
)


async def test_a_signed_in_client_is_told_who_it_is(connection: Connection, visitor: Visitor) -> None:
    await connection.execute("update auth.user set email = 'demo@example.com'")
    claims = (await visitor.login()).claims
    ((user, session, expires_at),) = await connection.fetch(
        "select user_id::text, id::text, to_json(expires_at)::text from auth.session"
    )
    me = json.loads((await visitor.call("auth.me()", role="basic_subscriber", claims=claims)).value)

    assert me == {
        "id": user,
        "username": "demo",
        "email": "demo@example.com",
        "role": "basic_subscriber",
        "amr": ["pwd"],
        "aal": 1,
        "auth_time": claims["auth_time"],
        "session": session,
        "expires_at": json.loads(expires_at),
    }
    assert (await visitor.call("auth.user_id()", claims=claims)).value.hex == user.replace("-", "")


async def test_the_session_it_is_told_of_is_the_one_to_end(connection: Connection, visitor: Visitor) -> None:
    """After a new role, the claim `sid` is another id."""
    await visitor.login()
    await connection.execute("update auth.user set role = 'signed_in'")
    claims = (await visitor.refresh()).claims
    me = json.loads((await visitor.call("auth.me()", claims=claims)).value)

    assert me["session"] != claims["sid"]
    assert (await visitor.call("auth.end_session($1)", me["session"], claims=claims)).status == 204


async def test_a_token_that_is_of_no_session_is_told_what_it_says(visitor: Visitor) -> None:
    """Signed by others, and of any shape."""
    answer = await visitor.call("auth.me()", role="basic_subscriber", claims=CLAIMS)
    assert json.loads(answer.value) == NOBODY | {"id": USER, "username": "demo", "role": "basic_subscriber"}
    odd = {"sub": 7, "sid": "x", "jti": [], "amr": "x", "auth_time": "1e999", "email": {"a": 1}}
    answer = await visitor.call("auth.me()", claims=odd)
    assert answer.status == 204
    assert json.loads(answer.value)["auth_time"] == "1e999"


async def test_an_anonymous_client_has_no_name(visitor: Visitor) -> None:
    assert json.loads((await visitor.call("auth.me()")).value) == NOBODY | {"role": "anon"}
    assert (await visitor.call("auth.username()")).value is None
    assert (await visitor.call("auth.user_id()")).value is None


async def test_outside_of_a_request_there_is_nobody(connection: Connection) -> None:
    for claims in (None, ""):
        if claims is not None:
            await connection.execute("select set_config('request.jwt.claims', $1, true)", claims)
        for function in ("auth.username()", "auth.user_id()"):
            assert await connection.fetchval(f"select {function}") is None
        assert json.loads(await connection.fetchval("select auth.me()")) == NOBODY


@pytest.mark.parametrize("sub", ["service:7", "", USER.upper(), f"{{{USER}}}", None])
async def test_a_subject_that_is_no_id_of_a_user_fails_no_policy(visitor: Visitor, sub: str | None) -> None:
    answer = await visitor.call("auth.user_id()", claims={"sub": sub})

    assert (answer.status, answer.value) == (204, None)


async def test_the_end_of_a_session_that_is_gone_is_not_told(
    connection: Connection, visitor: Visitor
) -> None:
    claims = (await visitor.login()).claims
    await age(connection, 3600)

    me = json.loads((await visitor.call("auth.me()", claims=claims)).value)
    assert (me["username"], me["session"], me["expires_at"]) == ("demo", None, None)


OTHER = "5d0f5b0e-7a54-4a3c-8f0a-1c2d3e4f5a6b"


@pytest.mark.parametrize(
    ("type_", "function", "rows"),
    [("text", "auth.username()", ["demo", "alice", None]), ("uuid", "auth.user_id()", [USER, OTHER, None])],
)
async def test_a_policy_may_use_them_without_a_call_for_each_row(
    connection: Connection, type_: str, function: str, rows: list[str | None]
) -> None:
    await connection.execute(f"create table public.todo (owner {type_})")
    await connection.executemany("insert into public.todo values ($1)", [(row,) for row in rows])
    await connection.execute(
        "alter table public.todo enable row level security;"
        f"create policy own on public.todo using (owner = (select {function}));"
        "grant select on public.todo to basic_subscriber"
    )
    plan = await connection.fetch(f"explain (verbose) select {function}")
    assert any("current_setting" in line[0] for line in plan), "it is inlined"
    await connection.execute("select set_config('request.jwt.claims', $1, true)", json.dumps(CLAIMS))
    await connection.execute("set local role basic_subscriber")

    assert [str(row["owner"]) for row in await connection.fetch("select owner from public.todo")] == rows[:1]


async def test_a_role_that_is_not_let_in_has_no_use_of_them(connection: Connection) -> None:
    await connection.execute("create role stranger; set local role stranger")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.fetchval("select auth.me()")
