"""What SQL reads of the access token of a call: its claims, and never a role that the call does not have."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.auth.functions import AuthFunctions, FunctionCall
from app.devstack import DevStack

from .calling import JSON

pytestmark = pytest.mark.anyio

CALL = FunctionCall("claims", "/rpc/claims", b"", [(b"content-type", JSON)], b"{}")


@pytest.fixture(autouse=True)
def _function(recipes: DevStack) -> Iterator[None]:
    recipes.database.execute(
        "create function auth.claims() returns text language sql stable"
        " as 'select current_setting(''request.jwt.claims'', true)';"
        "grant execute on function auth.claims to anon;"
    )
    yield
    recipes.database.execute("drop function auth.claims")


CLAIMS = {"sid": "s-1", "jti": "proof.1", "username": "demo", "exp": 1.5, "app": {"tags": ["a", "ü"]}}


@pytest.mark.parametrize("claims", [{}, {"sid": "s-1"}, CLAIMS], ids=str)
@pytest.mark.parametrize("role", [{}, {"role": "basic_subscriber"}, {"role": ["postgres"]}], ids=str)
async def test_a_function_reads_the_claims_and_the_role_of_its_transaction(
    functions: AuthFunctions, claims: dict[str, object], role: dict[str, object]
) -> None:
    reply = await functions.call(replace(CALL, claims={**claims, **role}, role="basic_subscriber"))

    assert json.loads(json.loads(reply.body)) == {**claims, "role": "anon"}


@pytest.mark.parametrize(
    "odd",
    [{"name": "a\0b"}, {"a\0b": 1}, {"n": float("inf")}, {"deep": json.loads("[" * 300 + "]" * 300)}],
    ids=["NUL", "NUL in a name", "infinite", "deep"],
)
async def test_of_claims_that_postgres_cannot_read_the_session_stays(
    functions: AuthFunctions, odd: dict[str, object]
) -> None:
    reply = await functions.call(replace(CALL, claims={**CLAIMS, **odd, "role": "basic_subscriber"}))

    assert json.loads(json.loads(reply.body)) == {"sid": "s-1", "jti": "proof.1", "role": "anon"}


def test_a_call_does_not_show_the_proof() -> None:
    assert "proof.1" not in repr(replace(CALL, session="s-1", claims=CLAIMS))
