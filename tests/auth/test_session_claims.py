"""What SQL is told of the access token of a call: its session and the proof of it, and nothing else."""

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


@pytest.mark.parametrize(
    ("session", "token_id", "told"),
    [
        ("", "", {}),
        ("s-1", "", {"sid": "s-1"}),
        ("s-1", "proof.1", {"sid": "s-1", "jti": "proof.1"}),
        ("", "proof.1", {}),
    ],
)
async def test_a_function_reads_session_and_proof(
    functions: AuthFunctions, session: str, token_id: str, told: dict[str, str]
) -> None:
    reply = await functions.call(replace(CALL, session=session, token_id=token_id))

    assert json.loads(json.loads(reply.body)) == {"role": "anon", **told}


def test_a_call_does_not_show_the_proof() -> None:
    assert "proof.1" not in repr(replace(CALL, session="s-1", token_id="proof.1"))
