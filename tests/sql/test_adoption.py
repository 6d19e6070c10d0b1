"""auth.adopt: the claims of another login function's token become a session like any other."""

import json
from typing import Any

import pytest

from .visitors import Connection, Visitor

pytestmark = pytest.mark.anyio


async def adopt(visitor: Visitor, claims: dict[str, Any]) -> dict[str, Any]:
    """The claims of the access token that the session begins with."""
    document = json.dumps(claims).replace("'", "''")
    reply = await visitor.call(f"auth.adopt('{document}')", role="auth_owner")
    assert reply.status == 204, reply
    return reply.claims


@pytest.mark.parametrize(
    ("claims", "subject"),
    [
        ({"sub": "u7", "user_id": 1}, "u7"),
        ({"user_id": 7, "email": "a@b.c"}, "7"),
        ({"username": "ann", "email": "a@b.c"}, "ann"),
        ({"email": "a@b.c"}, "a@b.c"),
    ],
)
async def test_the_session_has_the_claims(
    connection: Connection, claims: dict[str, Any], subject: str
) -> None:
    visitor = Visitor(connection)
    made = await adopt(visitor, {**claims, "role": "basic_subscriber", "tenant": {"id": 3}, "exp": 1})
    assert {**made, **claims, "tenant": {"id": 3}, "sub": subject, "role": "basic_subscriber"} == made
    assert made["exp"] > 1
    first = visitor.cookies["refresh_token"]
    refreshed = await visitor.refresh()
    assert visitor.cookies["refresh_token"] != first
    renewed = refreshed.claims
    assert (renewed["tenant"], renewed["sid"]) == ({"id": 3}, made["sid"])


async def test_the_id_of_a_user_is_that_users_session(connection: Connection) -> None:
    (row,) = await connection.fetch("select id::text, username, role from auth.user limit 1")
    made = await adopt(Visitor(connection), {"sub": row["id"], "role": "anon", "username": "other"})
    assert (made["sub"], made["username"], made["role"]) == (row["id"], row["username"], row["role"])


@pytest.mark.parametrize(
    ("claims", "sqlstate"),
    [({"role": "basic_subscriber"}, "23514"), ({"sub": "u", "role": "postgres"}, "23503")],
)
async def test_what_cannot_be_a_session_is_refused(
    connection: Connection, claims: dict[str, Any], sqlstate: str
) -> None:
    reply = await Visitor(connection).call(f"auth.adopt('{json.dumps(claims)}')", role="auth_owner")
    assert reply.sqlstate == sqlstate


async def test_no_role_may_call_it_before_the_owner_grants_it(connection: Connection) -> None:
    query = "select rolname from pg_roles where has_function_privilege(oid, 'auth.adopt(json)', 'execute')"
    able = {row["rolname"] for row in await connection.fetch(query)}
    assert able.isdisjoint({"anon", "authenticator", "gateway", "signed_in", "basic_subscriber"})
