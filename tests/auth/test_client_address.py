"""The client's address, as the gateway found it out, is handed to SQL with each call."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from app.auth.functions import AuthFunctions, FunctionCall
from app.devstack import DevStack

from .calling import JSON

pytestmark = pytest.mark.anyio

CALL = FunctionCall("client_address", "/rpc/client_address", b"", [(b"content-type", JSON)], b"{}")


@pytest.fixture(autouse=True)
def _function(recipes: DevStack) -> Iterator[None]:
    recipes.database.execute(
        "create function auth.client_address() returns text language sql stable"
        " as 'select current_setting(''app.settings.client_address'', true)';"
        "grant execute on function auth.client_address to anon;"
    )
    yield
    recipes.database.execute("drop function auth.client_address")


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::1", ""])
async def test_a_function_reads_it_as_a_setting(functions: AuthFunctions, address: str) -> None:
    reply = await functions.call(replace(CALL, address=address))
    assert (reply.status, reply.body) == (200, f'"{address}"'.encode())


async def test_no_header_stands_for_it(functions: AuthFunctions) -> None:
    claimed = [*CALL.headers, (b"x-forwarded-for", b"203.0.113.9"), (b"client_address", b"203.0.113.9")]
    reply = await functions.call(replace(CALL, headers=claimed, address="192.0.2.7"))
    assert reply.body == b'"192.0.2.7"'
